UPDATE application SET state = 'CLOSED' WHERE application_id = :application_id;
