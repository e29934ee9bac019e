INSERT INTO task (task_id, placement_id, mandatory)
VALUES (:task_id, :placement_id, CAST(:mandatory AS BIGINT));

INSERT INTO progress (placement_id, student_id, internship_id, tasks_assigned, mandatory_assigned)
VALUES (:placement_id, :student_id, :internship_id, 1, CAST(:mandatory AS BIGINT))
ON CONFLICT (placement_id) DO UPDATE SET
  tasks_assigned = progress.tasks_assigned + excluded.tasks_assigned,
  mandatory_assigned = progress.mandatory_assigned + excluded.mandatory_assigned;
