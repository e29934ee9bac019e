UPDATE application SET state = 'ACCEPTED', changed_at = :occurred_at, placement_id = :placement_id
WHERE application_id = :application_id;
