INSERT INTO report (internship_id, placements)
VALUES (:internship_id, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  placements = report.placements + excluded.placements;
