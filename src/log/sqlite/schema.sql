-- The names of streams, each stored once. Ids rise in the order of first use, so that streams of one time lie together.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The names of event types, each stored once.
CREATE TABLE types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The log. Small columns first: a filter decides without touching the payloads.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    type INTEGER NOT NULL,
    json INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    id BLOB NOT NULL,
    digest BLOB NOT NULL,
    data BLOB NOT NULL,
    metadata BLOB NOT NULL
) STRICT;

-- Positions whose events the scavenger removed.
CREATE TABLE scavenged (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

CREATE TRIGGER events_stay_as_they_are BEFORE UPDATE ON events
BEGIN
    SELECT RAISE (ABORT, 'an event is never changed');
END;

CREATE TRIGGER events_stay BEFORE DELETE ON events
WHEN old.position > coalesce(
    (SELECT last FROM scavenged WHERE first <= old.position ORDER BY first DESC LIMIT 1), 0
)
BEGIN
    SELECT RAISE (ABORT, 'only the scavenger removes events');
END;

CREATE TRIGGER streams_stay_as_they_are BEFORE UPDATE ON streams
BEGIN
    SELECT RAISE (ABORT, 'a stream is never renamed');
END;

CREATE TRIGGER streams_stay BEFORE DELETE ON streams
BEGIN
    SELECT RAISE (ABORT, 'a stream name is never reused');
END;

CREATE TRIGGER types_stay_as_they_are BEFORE UPDATE ON types
BEGIN
    SELECT RAISE (ABORT, 'an event type is never renamed');
END;

CREATE TRIGGER types_stay BEFORE DELETE ON types
BEGIN
    SELECT RAISE (ABORT, 'an event type is never removed');
END;

CREATE TRIGGER scavenged_stays_as_it_is BEFORE UPDATE ON scavenged
BEGIN
    SELECT RAISE (ABORT, 'what was scavenged stays written down');
END;

CREATE TRIGGER scavenged_stays BEFORE DELETE ON scavenged
BEGIN
    SELECT RAISE (ABORT, 'what was scavenged stays written down');
END;
