CREATE TABLE eligible (
  placement_id TEXT PRIMARY KEY,
  student_id TEXT NOT NULL,
  internship_id TEXT NOT NULL,
  employer_id TEXT NOT NULL,
  title TEXT NOT NULL,
  employer_name TEXT NOT NULL,
  student_name TEXT,
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  attendance_rate DOUBLE PRECISION NOT NULL,
  on_time_rate DOUBLE PRECISION NOT NULL,
  completion_rate DOUBLE PRECISION NOT NULL,
  mean_score DOUBLE PRECISION NOT NULL,
  mean_rating DOUBLE PRECISION NOT NULL,
  since_at TEXT NOT NULL
);

-- Partners that may issue the certificate of a placement.
CREATE TABLE delegation (
  placement_id TEXT NOT NULL,
  partner_id TEXT NOT NULL,
  PRIMARY KEY (placement_id, partner_id)
);

CREATE TABLE certificate (
  certificate_id TEXT PRIMARY KEY,
  code TEXT NOT NULL,
  -- The code without hyphens, in capitals: how people type it does not matter.
  code_key TEXT NOT NULL UNIQUE,
  placement_id TEXT NOT NULL,
  student_id TEXT NOT NULL,
  internship_id TEXT NOT NULL,
  status TEXT NOT NULL,
  holder_name TEXT,
  internship_title TEXT NOT NULL,
  employer_name TEXT NOT NULL,
  start_date TEXT NOT NULL,
  end_date TEXT NOT NULL,
  issuer_name TEXT NOT NULL,
  version BIGINT NOT NULL,
  wording TEXT,
  issued_at TEXT NOT NULL,
  revoked_at TEXT,
  revoke_reason TEXT,
  replaced_by TEXT
);
CREATE INDEX certificate_by_placement ON certificate (placement_id, certificate_id);
CREATE INDEX certificate_by_student ON certificate (student_id, certificate_id);
