INSERT INTO report (internship_id, evaluations)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  evaluations = report.evaluations + excluded.evaluations;
