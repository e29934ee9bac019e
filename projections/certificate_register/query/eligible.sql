-- Placements that have earned a certificate and have none.
-- order: placement_id
SELECT placement_id, student_id, internship_id, employer_id, title, employer_name, student_name, start_date, end_date,
  since_at
FROM eligible
WHERE NOT EXISTS (SELECT 1 FROM certificate c WHERE c.placement_id = eligible.placement_id);
