INSERT INTO report (internship_id, tasks)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  tasks = report.tasks + excluded.tasks;
