INSERT INTO application (application_id, student_id, internship_id, employer_id, title, employer_name, student_name,
  email, state, submitted_at, changed_at)
VALUES (:application_id, :student_id, :internship_id, :employer_id, :title, :employer_name, :student_name, :email,
  'SUBMITTED', :occurred_at, :occurred_at);
