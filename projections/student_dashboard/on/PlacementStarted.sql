INSERT INTO placement (placement_id, student_id, title, state, start_date, started_at)
VALUES (:placement_id, :student_id, :title, 'ACTIVE', :start_date, :occurred_at)
ON CONFLICT (placement_id) DO UPDATE SET
  title = excluded.title,
  state = excluded.state,
  start_date = excluded.start_date,
  started_at = excluded.started_at;
