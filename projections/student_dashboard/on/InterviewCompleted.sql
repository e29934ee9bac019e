UPDATE application SET state = 'INTERVIEW_COMPLETED' WHERE application_id = :application_id;
