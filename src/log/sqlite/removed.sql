-- What the events that the scavenger removed were, so that who counts by stream or by type counts them still. Those that it
-- removed before there was this table are not here; `scavenged` names them all.
CREATE TABLE removed (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    type INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;

-- One row: how many positions of `scavenged` have no row in `removed`.
CREATE TABLE uncounted (
    events INTEGER NOT NULL
) STRICT;

INSERT INTO uncounted (events) SELECT coalesce(sum(last - first + 1), 0) FROM scavenged;

CREATE TRIGGER removed_stays_as_it_is BEFORE UPDATE ON removed
BEGIN
    SELECT RAISE (ABORT, 'what was removed stays written down');
END;

CREATE TRIGGER removed_stays BEFORE DELETE ON removed
BEGIN
    SELECT RAISE (ABORT, 'what was removed stays written down');
END;
