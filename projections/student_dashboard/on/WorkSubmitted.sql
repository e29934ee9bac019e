INSERT INTO placement (placement_id, student_id, tasks_submitted, submissions_late)
VALUES (:placement_id, :student_id, CAST(:first AS BIGINT), CAST(:late AS BIGINT))
ON CONFLICT (placement_id) DO UPDATE SET
  tasks_submitted = placement.tasks_submitted + excluded.tasks_submitted,
  submissions_late = placement.submissions_late + excluded.submissions_late;
