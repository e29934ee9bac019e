INSERT INTO report (internship_id, title, applications)
VALUES (:internship_id, :title, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  title = excluded.title,
  applications = report.applications + 1;
