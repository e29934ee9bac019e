UPDATE application SET state = 'REJECTED', changed_at = :occurred_at, reason = :reason
WHERE application_id = :application_id;
