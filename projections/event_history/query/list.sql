-- Every event, in the order of being recorded.
-- order: recorded_at, event_no
-- filter target: q.event_no IN (SELECT t.event_no FROM target t WHERE t.target_id = :value)
-- filter type: q.action = :value
SELECT e.event_no, e.event_id, e.service, e.stream, e.revision, e.position, e.action, e.actor, e.role, e.request_id,
  e.correlation_id, e.causation_id, e.reason, e.occurred_at, e.recorded_at, e.imported, e.data
FROM event e;
