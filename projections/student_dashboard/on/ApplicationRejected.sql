UPDATE application SET state = 'REJECTED' WHERE application_id = :application_id;
