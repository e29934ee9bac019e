-- Each source writes columns of its own. Until placements was read, state and terms are not set.
CREATE TABLE progress (
  placement_id TEXT PRIMARY KEY,
  student_id TEXT NOT NULL,
  internship_id TEXT NOT NULL,
  employer_id TEXT,
  title TEXT,
  state TEXT,
  start_date TEXT,
  end_date TEXT,
  minimum_days BIGINT,
  terms TEXT,
  assessed TEXT,
  days_present BIGINT NOT NULL DEFAULT 0,
  days_absent BIGINT NOT NULL DEFAULT 0,
  tasks_assigned BIGINT NOT NULL DEFAULT 0,
  tasks_submitted BIGINT NOT NULL DEFAULT 0,
  tasks_on_time BIGINT NOT NULL DEFAULT 0,
  submissions BIGINT NOT NULL DEFAULT 0,
  submissions_late BIGINT NOT NULL DEFAULT 0,
  mandatory_assigned BIGINT NOT NULL DEFAULT 0,
  mandatory_submitted BIGINT NOT NULL DEFAULT 0,
  evaluation_recorded BIGINT NOT NULL DEFAULT 0,
  evaluated_rating DOUBLE PRECISION,
  kpis_final BIGINT NOT NULL DEFAULT 0,
  attendance_rate DOUBLE PRECISION,
  on_time_rate DOUBLE PRECISION,
  completion_rate DOUBLE PRECISION,
  mean_score DOUBLE PRECISION,
  mean_rating DOUBLE PRECISION
);
CREATE INDEX progress_by_internship ON progress (internship_id, placement_id);
CREATE INDEX progress_by_student ON progress (student_id, placement_id);

CREATE TABLE task (
  task_id TEXT PRIMARY KEY,
  placement_id TEXT NOT NULL,
  mandatory BIGINT NOT NULL,
  last_score BIGINT
);
CREATE INDEX task_by_placement ON task (placement_id, last_score);
