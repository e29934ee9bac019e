UPDATE application SET state = 'RESCINDED', changed_at = :occurred_at, reason = :cause
WHERE application_id = :application_id;
