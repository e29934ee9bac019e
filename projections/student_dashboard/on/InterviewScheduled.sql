UPDATE application SET state = 'INTERVIEW_SCHEDULED' WHERE application_id = :application_id;
