UPDATE application SET state = 'RESCINDED' WHERE application_id = :application_id;
