UPDATE application SET state = 'OFFERED', offer_valid_until = :valid_until WHERE application_id = :application_id;
