UPDATE application SET state = 'WITHDRAWN' WHERE application_id = :application_id;
