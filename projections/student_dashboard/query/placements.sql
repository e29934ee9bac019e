-- One student's placements, newest first.
-- order: started_at DESC, placement_id DESC
SELECT placement_id, title, state, start_date, end_date, started_at, days_present, days_absent, tasks_assigned,
  tasks_submitted, submissions_late, submissions_accepted,
  CASE WHEN reviews = 0 THEN 0.0 ELSE CAST(score_sum AS DOUBLE PRECISION) / reviews END AS mean_score,
  certificate_id, certificate_status, verification_code
FROM placement
WHERE student_id = :student_id AND state IS NOT NULL;
