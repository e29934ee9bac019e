-- Every placement of every student.
-- order: student_id, placement_id
SELECT student_id, placement_id, title, state, start_date, end_date, days_present, days_absent, tasks_assigned,
  tasks_submitted, submissions_late, submissions_accepted, reviews, score_sum, certificate_id, certificate_status
FROM placement
WHERE state IS NOT NULL;
