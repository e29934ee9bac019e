-- Every application, oldest first.
-- order: submitted_at, application_id
SELECT application_id, student_id, internship_id, employer_id, title, employer_name, student_name, email, state,
  submitted_at, changed_at, interview_at, offer_valid_until, placement_id, reason
FROM application;
