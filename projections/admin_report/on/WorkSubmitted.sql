INSERT INTO report (internship_id, submissions, submissions_late)
VALUES (:internship_id, 1, CAST(:late AS BIGINT))
ON CONFLICT (internship_id) DO UPDATE SET
  submissions = report.submissions + excluded.submissions,
  submissions_late = report.submissions_late + excluded.submissions_late;
