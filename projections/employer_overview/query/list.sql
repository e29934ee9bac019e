-- Every internship of every employer.
-- order: employer_id, internship_id
SELECT employer_id, internship_id, title, applications, applications_open, offers, placements, placements_active,
  (SELECT coalesce(sum(w.pending), 0) FROM worklist w WHERE w.internship_id = internship.internship_id) AS reviews_pending
FROM internship
WHERE employer_id IS NOT NULL;
