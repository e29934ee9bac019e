INSERT INTO progress (placement_id, student_id, internship_id, days_absent)
VALUES (:placement_id, :student_id, :internship_id, :days)
ON CONFLICT (placement_id) DO UPDATE SET
  days_absent = progress.days_absent + excluded.days_absent;
