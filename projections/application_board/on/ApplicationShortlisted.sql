UPDATE application SET state = 'SHORTLISTED', changed_at = :occurred_at
WHERE application_id = :application_id;
