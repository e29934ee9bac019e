INSERT INTO report (internship_id, terminated)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  terminated = report.terminated + excluded.terminated;
