INSERT INTO eligible (placement_id, student_id, internship_id, employer_id, title, employer_name, student_name,
  start_date, end_date, attendance_rate, on_time_rate, completion_rate, mean_score, mean_rating, since_at)
VALUES (:placement_id, :student_id, :internship_id, :employer_id, :title, :employer_name, :student_name, :start_date,
  :end_date, :attendance_rate, :on_time_rate, :completion_rate, :mean_score, :mean_rating, :occurred_at);
