UPDATE application SET state = 'SHORTLISTED' WHERE application_id = :application_id;
