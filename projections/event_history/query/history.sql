-- The events that name one object, by occurrence. Ids are the values of keys that end in _id; in text, quotes are escaped.
-- order: occurred_at, event_no
SELECT e.occurred_at, e.event_no, e.event_id, e.service, e.stream, e.revision, e.position, e.action, e.actor, e.role,
  e.request_id, e.correlation_id, e.causation_id, e.reason, e.recorded_at, e.imported, e.data
FROM target t JOIN event e ON e.stream = t.stream
WHERE t.target_id = :target AND replace(e.data, '_id":"' || t.target_id || '"', '') <> e.data;
