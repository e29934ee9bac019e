-- Totals of every internship, by title.
-- order: title, internship_id
SELECT internship_id, coalesce(title, '') AS title, applications, accepted, placements, completed, terminated,
  days_present, tasks, submissions, submissions_late, reviews_accepted, reviews_needing_revision, score_sum,
  evaluations, certificates
FROM report;
