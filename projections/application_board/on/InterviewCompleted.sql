UPDATE application SET state = 'INTERVIEW_COMPLETED', changed_at = :occurred_at
WHERE application_id = :application_id;
