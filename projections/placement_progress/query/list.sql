-- Every placement.
-- order: placement_id
SELECT placement_id, student_id, internship_id, employer_id, title, state, start_date, end_date, minimum_days, terms,
  days_present, days_absent, tasks_assigned, tasks_submitted, tasks_on_time, submissions, submissions_late,
  mandatory_assigned, mandatory_submitted,
  (SELECT avg(t.last_score) FROM task t WHERE t.placement_id = progress.placement_id) AS reviewed_score,
  evaluation_recorded, evaluated_rating, kpis_final, attendance_rate, on_time_rate, completion_rate, mean_score,
  mean_rating, assessed
FROM progress
WHERE state IS NOT NULL;
