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
CREATE INDEX event_by_stream ON event (stream);
CREATE INDEX event_by_actor ON event (actor, recorded_at, event_no);
CREATE INDEX event_by_action ON event (action, recorded_at, event_no);
CREATE INDEX event_by_service ON event (service, recorded_at, event_no);
-- By stream without an order: a stream is short enough to be sorted, and shorter keys are fewer pages.
-- None by request_id and correlation_id, which are found by looking at every row: an index whose keys come in no order
-- costs a page of the disk for every event. Add one here where they are asked for often; the model rebuilds itself.

-- Which streams name an object. Its history are the events of these streams that name it.
CREATE TABLE target (
  target_id TEXT NOT NULL,
  stream TEXT NOT NULL,
  PRIMARY KEY (target_id, stream)
);
