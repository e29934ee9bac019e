INSERT INTO progress (placement_id, student_id, internship_id, days_present)
VALUES (:placement_id, :student_id, :internship_id, 1)
ON CONFLICT (placement_id) DO UPDATE SET
  days_present = progress.days_present + excluded.days_present;
