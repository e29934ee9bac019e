INSERT INTO report (internship_id, completed)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  completed = report.completed + excluded.completed;
