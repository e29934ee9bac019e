INSERT INTO internship (internship_id, employer_id, title, applications, applications_open)
VALUES (:internship_id, :employer_id, :title, 1, 1)
ON CONFLICT (internship_id) DO UPDATE SET
  employer_id = excluded.employer_id,
  title = excluded.title,
  applications = internship.applications + 1,
  applications_open = internship.applications_open + 1;
