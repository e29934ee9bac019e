INSERT INTO placement (placement_id, student_id, days_present)
VALUES (:placement_id, :student_id, 1)
ON CONFLICT (placement_id) DO UPDATE SET
  days_present = placement.days_present + excluded.days_present;
