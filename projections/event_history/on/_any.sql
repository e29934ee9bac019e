-- A number for each event that follows from its service and position alone, so that every replay gives the same.
INSERT INTO event (event_no, event_id, service, stream, revision, position, action, actor, role, request_id,
  correlation_id, causation_id, reason, occurred_at, recorded_at, imported, data)
VALUES (
  CAST(:position AS BIGINT) * 8 + CASE CAST(:service AS TEXT)
    WHEN 'applications' THEN 0 WHEN 'placements' THEN 1 WHEN 'attendance' THEN 2 WHEN 'tasks' THEN 3
    WHEN 'evaluations' THEN 4 WHEN 'certificates' THEN 5 WHEN 'audit' THEN 6 ELSE 7 END,
  :event_id, :service, :stream_id, :revision, :position, :event_type, :actor, :role, :request_id, :correlation_id,
  :causation_id, :reason, :occurred_at, :recorded_at, :imported, :data);

-- Every id that the event names; UNION leaves one of equals.
INSERT INTO target (target_id, occurred_at, event_no)
SELECT named.id, CAST(:occurred_at AS TEXT),
  CAST(:position AS BIGINT) * 8 + CASE CAST(:service AS TEXT)
    WHEN 'applications' THEN 0 WHEN 'placements' THEN 1 WHEN 'attendance' THEN 2 WHEN 'tasks' THEN 3
    WHEN 'evaluations' THEN 4 WHEN 'certificates' THEN 5 WHEN 'audit' THEN 6 ELSE 7 END
FROM (
  SELECT CAST(:application_id AS TEXT) AS id
  UNION SELECT CAST(:student_id AS TEXT)
  UNION SELECT CAST(:internship_id AS TEXT)
  UNION SELECT CAST(:placement_id AS TEXT)
  UNION SELECT CAST(:employer_id AS TEXT)
  UNION SELECT CAST(:task_id AS TEXT)
  UNION SELECT CAST(:submission_id AS TEXT)
  UNION SELECT CAST(:certificate_id AS TEXT)
  UNION SELECT CAST(:partner_id AS TEXT)
  UNION SELECT CAST(:accepted_application_id AS TEXT)
  UNION SELECT CAST(:revoked_certificate_id AS TEXT)
) AS named
WHERE named.id IS NOT NULL;
