-- Each source writes columns of its own. Until applications was read, the title is not set.
CREATE TABLE report (
  internship_id TEXT PRIMARY KEY,
  title TEXT,
  applications BIGINT NOT NULL DEFAULT 0,
  accepted BIGINT NOT NULL DEFAULT 0,
  placements BIGINT NOT NULL DEFAULT 0,
  completed BIGINT NOT NULL DEFAULT 0,
  terminated BIGINT NOT NULL DEFAULT 0,
  days_present BIGINT NOT NULL DEFAULT 0,
  tasks BIGINT NOT NULL DEFAULT 0,
  submissions BIGINT NOT NULL DEFAULT 0,
  submissions_late BIGINT NOT NULL DEFAULT 0,
  reviews_accepted BIGINT NOT NULL DEFAULT 0,
  reviews_needing_revision BIGINT NOT NULL DEFAULT 0,
  score_sum BIGINT NOT NULL DEFAULT 0,
  evaluations BIGINT NOT NULL DEFAULT 0,
  certificates BIGINT NOT NULL DEFAULT 0
);
