CREATE TABLE application (
  application_id TEXT PRIMARY KEY,
  student_id TEXT NOT NULL,
  internship_id TEXT NOT NULL,
  employer_id TEXT NOT NULL,
  title TEXT NOT NULL,
  employer_name TEXT NOT NULL,
  student_name TEXT,
  email TEXT,
  state TEXT NOT NULL,
  submitted_at TEXT NOT NULL,
  changed_at TEXT NOT NULL,
  interview_at TEXT,
  offer_valid_until TEXT,
  placement_id TEXT,
  reason TEXT
);
CREATE INDEX application_in_order ON application (submitted_at, application_id);
CREATE INDEX application_by_internship ON application (internship_id, submitted_at, application_id);
CREATE INDEX application_by_student ON application (student_id, submitted_at, application_id);
