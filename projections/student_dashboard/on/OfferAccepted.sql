UPDATE application SET state = 'ACCEPTED' WHERE application_id = :application_id;
