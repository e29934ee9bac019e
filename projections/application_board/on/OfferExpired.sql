UPDATE application SET state = 'EXPIRED', changed_at = :occurred_at
WHERE application_id = :application_id;
