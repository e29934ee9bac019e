-- Each source writes columns of its own. Until applications was read, employer and title are not set.
CREATE TABLE internship (
  internship_id TEXT PRIMARY KEY,
  employer_id TEXT,
  title TEXT,
  applications BIGINT NOT NULL DEFAULT 0,
  applications_open BIGINT NOT NULL DEFAULT 0,
  offers BIGINT NOT NULL DEFAULT 0,
  placements BIGINT NOT NULL DEFAULT 0,
  placements_active BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX internship_by_employer ON internship (employer_id, title, internship_id);

-- Submissions that wait for a review.
CREATE TABLE worklist (
  placement_id TEXT PRIMARY KEY,
  internship_id TEXT NOT NULL,
  pending BIGINT NOT NULL
);
CREATE INDEX worklist_by_internship ON worklist (internship_id, pending);
