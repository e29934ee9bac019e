UPDATE application SET state = 'DECLINED' WHERE application_id = :application_id;
