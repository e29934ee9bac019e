INSERT INTO application (application_id, student_id, internship_title, employer_name, state, submitted_at)
VALUES (:application_id, :student_id, :title, :employer_name, 'SUBMITTED', :occurred_at);
