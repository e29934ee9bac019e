-- The events that name one object, by occurrence.
-- order: occurred_at, event_no
SELECT t.occurred_at, t.event_no, e.event_id, e.service, e.stream, e.revision, e.position, e.action, e.actor, e.role,
  e.request_id, e.correlation_id, e.causation_id, e.reason, e.recorded_at, e.imported, e.data
FROM target t JOIN event e ON e.event_no = t.event_no
WHERE t.target_id = :target;
