UPDATE application SET state = 'DECLINED', changed_at = :occurred_at
WHERE application_id = :application_id;
