-- Version 1 had an index of `events` instead.
INSERT INTO stream_index (stream, revision, position)
SELECT stream, revision, position FROM events ORDER BY stream, revision;
DROP INDEX events_by_stream;
