INSERT INTO progress (placement_id, student_id, internship_id, kpis_final, attendance_rate, on_time_rate, completion_rate, mean_score, mean_rating)
VALUES (:placement_id, :student_id, :internship_id, 1, :attendance_rate, :on_time_rate, :completion_rate, :mean_score, :mean_rating)
ON CONFLICT (placement_id) DO UPDATE SET
  kpis_final = excluded.kpis_final,
  attendance_rate = excluded.attendance_rate,
  on_time_rate = excluded.on_time_rate,
  completion_rate = excluded.completion_rate,
  mean_score = excluded.mean_score,
  mean_rating = excluded.mean_rating;
