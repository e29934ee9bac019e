-- Where the events of a stream lie; its last revision is stored nowhere else. No index of `events`: an append to a stream of
-- its own would write an index page of its own. Entries come in batches, in order, after their events. A row is a run: where
-- the event of its revision lies, and in `rest` where those of the next ones do, as runs.rs says.
CREATE TABLE stream_index (
    stream INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL,
    rest BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (stream, revision)
) STRICT, WITHOUT ROWID;

-- One row: every event up to this position has its entry. Later ones may have.
CREATE TABLE indexed (
    position INTEGER NOT NULL
) STRICT;

CREATE TRIGGER stream_index_stays_as_it_is BEFORE UPDATE ON stream_index
BEGIN
    SELECT RAISE (ABORT, 'an event is never moved');
END;

CREATE TRIGGER stream_index_stays BEFORE DELETE ON stream_index
WHEN old.position > coalesce(
    (SELECT last FROM scavenged WHERE first <= old.position ORDER BY first DESC LIMIT 1), 0
)
BEGIN
    SELECT RAISE (ABORT, 'only the scavenger removes events');
END;
