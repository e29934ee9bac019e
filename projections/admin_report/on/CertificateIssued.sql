INSERT INTO report (internship_id, certificates)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  certificates = report.certificates + excluded.certificates;
