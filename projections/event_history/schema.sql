CREATE TABLE event (
  -- 8 x position + the service's number.
  event_no BIGINT PRIMARY KEY,
  event_id TEXT NOT NULL,
  service TEXT NOT NULL,
  stream TEXT NOT NULL,
  revision BIGINT NOT NULL,
  position BIGINT NOT NULL,
  action TEXT NOT NULL,
  actor TEXT,
  role TEXT,
  request_id TEXT,
  correlation_id TEXT,
  causation_id TEXT,
  reason TEXT,
  occurred_at TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  imported BIGINT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX event_in_order ON event (recorded_at, event_no);
CREATE INDEX event_by_stream ON event (stream, recorded_at, event_no);
CREATE INDEX event_by_actor ON event (actor, recorded_at, event_no);
CREATE INDEX event_by_action ON event (action, recorded_at, event_no);
CREATE INDEX event_by_service ON event (service, recorded_at, event_no);
CREATE INDEX event_by_correlation ON event (correlation_id);
CREATE INDEX event_by_request ON event (request_id);

-- Which events name an object: its history, by occurrence.
CREATE TABLE target (
  target_id TEXT NOT NULL,
  occurred_at TEXT NOT NULL,
  event_no BIGINT NOT NULL,
  PRIMARY KEY (target_id, occurred_at, event_no)
);
