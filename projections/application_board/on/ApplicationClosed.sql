UPDATE application SET state = 'CLOSED', changed_at = :occurred_at
WHERE application_id = :application_id;
