CREATE TABLE application (
  application_id TEXT PRIMARY KEY,
  student_id TEXT NOT NULL,
  internship_title TEXT NOT NULL,
  employer_name TEXT NOT NULL,
  state TEXT NOT NULL,
  submitted_at TEXT NOT NULL,
  offer_valid_until TEXT
);
CREATE INDEX application_by_student ON application (student_id, submitted_at, application_id);

-- Each source writes columns of its own. Until placements was read, title and state are not set.
CREATE TABLE placement (
  placement_id TEXT PRIMARY KEY,
  student_id TEXT NOT NULL,
  title TEXT,
  state TEXT,
  start_date TEXT,
  end_date TEXT,
  started_at TEXT,
  days_present BIGINT NOT NULL DEFAULT 0,
  days_absent BIGINT NOT NULL DEFAULT 0,
  tasks_assigned BIGINT NOT NULL DEFAULT 0,
  tasks_submitted BIGINT NOT NULL DEFAULT 0,
  submissions_late BIGINT NOT NULL DEFAULT 0,
  submissions_accepted BIGINT NOT NULL DEFAULT 0,
  reviews BIGINT NOT NULL DEFAULT 0,
  score_sum BIGINT NOT NULL DEFAULT 0,
  certificate_id TEXT,
  certificate_status TEXT,
  verification_code TEXT
);
CREATE INDEX placement_by_student ON placement (student_id, started_at, placement_id);
