UPDATE application SET state = 'EXPIRED' WHERE application_id = :application_id;
