UPDATE application SET state = 'WITHDRAWN', changed_at = :occurred_at
WHERE application_id = :application_id;
