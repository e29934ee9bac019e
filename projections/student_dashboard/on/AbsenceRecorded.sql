INSERT INTO placement (placement_id, student_id, days_absent)
VALUES (:placement_id, :student_id, :days)
ON CONFLICT (placement_id) DO UPDATE SET
  days_absent = placement.days_absent + excluded.days_absent;
