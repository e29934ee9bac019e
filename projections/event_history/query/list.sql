-- Every event, in the order of being recorded.
-- order: recorded_at, event_no
-- filter target: q.event_no IN (SELECT x.event_no FROM target t JOIN event x ON x.stream = t.stream WHERE t.target_id = :value AND replace(x.data, '_id":"' || t.target_id || '"', '') <> x.data)
-- filter type: q.action = :value
SELECT e.event_no, e.event_id, e.service, e.stream, e.revision, e.position, e.action, e.actor, e.role, e.request_id,
  e.correlation_id, e.causation_id, e.reason, e.occurred_at, e.recorded_at, e.imported, e.data
FROM event e;
