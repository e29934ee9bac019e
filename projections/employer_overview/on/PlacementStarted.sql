INSERT INTO internship (internship_id, placements, placements_active)
VALUES (:internship_id, 1, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  placements = internship.placements + excluded.placements,
  placements_active = internship.placements_active + excluded.placements_active;
