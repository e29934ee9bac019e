-- A number for each event that follows from its service and position alone, so that every replay gives the same.
INSERT INTO event (event_no, event_id, service, stream, revision, position, action, actor, role, request_id,
  correlation_id, causation_id, reason, occurred_at, recorded_at, imported, data)
VALUES (
  CAST(:position AS BIGINT) * 8 + CASE CAST(:service AS TEXT)
    WHEN 'applications' THEN 0 WHEN 'placements' THEN 1 WHEN 'attendance' THEN 2 WHEN 'tasks' THEN 3
    WHEN 'evaluations' THEN 4 WHEN 'certificates' THEN 5 WHEN 'audit' THEN 6 ELSE 7 END,
  :event_id, :service, :stream_id, :revision, :position, :event_type, :actor, :role, :request_id, :correlation_id,
  :causation_id, :reason, :occurred_at, :recorded_at, :imported, :data);

-- Every id that the event names. After a stream's first events there is nothing new.
INSERT INTO target (target_id, stream)
SELECT named.id, CAST(:stream_id AS TEXT)
FROM (
  SELECT CAST(:application_id AS TEXT) AS id
  UNION ALL SELECT CAST(:student_id AS TEXT)
  UNION ALL SELECT CAST(:internship_id AS TEXT)
  UNION ALL SELECT CAST(:placement_id AS TEXT)
  UNION ALL SELECT CAST(:employer_id AS TEXT)
  UNION ALL SELECT CAST(:task_id AS TEXT)
  UNION ALL SELECT CAST(:submission_id AS TEXT)
  UNION ALL SELECT CAST(:certificate_id AS TEXT)
  UNION ALL SELECT CAST(:partner_id AS TEXT)
  UNION ALL SELECT CAST(:accepted_application_id AS TEXT)
  UNION ALL SELECT CAST(:revoked_certificate_id AS TEXT)
) AS named
WHERE named.id IS NOT NULL
ON CONFLICT (target_id, stream) DO NOTHING;
