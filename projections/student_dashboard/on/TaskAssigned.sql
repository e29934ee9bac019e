INSERT INTO placement (placement_id, student_id, tasks_assigned)
VALUES (:placement_id, :student_id, 1)
ON CONFLICT (placement_id) DO UPDATE SET
  tasks_assigned = placement.tasks_assigned + excluded.tasks_assigned;
