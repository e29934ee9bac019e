UPDATE application SET state = 'INTERVIEW_SCHEDULED', changed_at = :occurred_at, interview_at = :scheduled_at
WHERE application_id = :application_id;
