INSERT INTO progress (placement_id, student_id, internship_id, evaluation_recorded, evaluated_rating)
VALUES (:placement_id, :student_id, :internship_id, 1, :mean_rating)
ON CONFLICT (placement_id) DO UPDATE SET
  evaluation_recorded = excluded.evaluation_recorded,
  evaluated_rating = excluded.evaluated_rating;
