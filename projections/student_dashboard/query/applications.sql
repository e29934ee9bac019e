-- One student's applications, newest first.
-- order: submitted_at DESC, application_id DESC
SELECT application_id, internship_title, employer_name, state, submitted_at, offer_valid_until
FROM application
WHERE student_id = :student_id;
