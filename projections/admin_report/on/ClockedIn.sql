INSERT INTO report (internship_id, days_present)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  days_present = report.days_present + excluded.days_present;
