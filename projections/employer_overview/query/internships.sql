-- One employer's internships.
-- order: title, internship_id
SELECT internship_id, title, applications, applications_open, offers, placements, placements_active,
  (SELECT coalesce(sum(w.pending), 0) FROM worklist w WHERE w.internship_id = internship.internship_id) AS reviews_pending
FROM internship
WHERE employer_id = :employer_id;
