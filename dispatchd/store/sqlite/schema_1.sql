-- Schema version 1. Ids are 16-byte UUIDs: version 7, so every key grows to the right.
-- Times are Unix milliseconds.

CREATE TABLE events (
    seq          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    endpoint     TEXT    NOT NULL,
    endpoint_id  BLOB    NOT NULL,
    received_ms  INTEGER NOT NULL,
    event_type   TEXT,
    source_ip    TEXT,
    status       TEXT    NOT NULL CHECK (status IN ('received', 'filtered')),
    filtered_by  TEXT,
    content_type TEXT    NOT NULL,
    auth         TEXT,              -- what proved the sender; no secret, only which one it was
    headers      TEXT    NOT NULL,  -- JSON [[name, value], ...] without what authenticates
    body         BLOB    NOT NULL
) STRICT;

-- The way to "since" and "older than": listing, statistics, pruning.
CREATE INDEX events_received ON events (received_ms);

-- An event is owed to a destination once; the key is also the way to an event's deliveries.
CREATE TABLE deliveries (
    event_id        BLOB    NOT NULL,
    destination     TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('queued', 'retrying', 'success', 'failed')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    attempts_before INTEGER NOT NULL DEFAULT 0,  -- those of runs before the last replay
    replays         INTEGER NOT NULL DEFAULT 0,
    due_ms          INTEGER NOT NULL,
    PRIMARY KEY (event_id, destination)
) STRICT, WITHOUT ROWID;

-- The due set: only what is still owed, so its size is the backlog's, never the history's.
CREATE INDEX deliveries_due ON deliveries (destination, due_ms, event_id)
    WHERE status IN ('queued', 'retrying');

-- What `replay --failed` looks through.
CREATE INDEX deliveries_failed ON deliveries (destination, event_id) WHERE status = 'failed';

CREATE TABLE attempts (
    event_id         BLOB    NOT NULL,
    destination      TEXT    NOT NULL,
    number           INTEGER NOT NULL,
    started_ms       INTEGER NOT NULL,
    latency_ms       REAL    NOT NULL,
    status_code      INTEGER,
    error            TEXT,
    message          TEXT,
    response_headers TEXT    NOT NULL,  -- JSON [[name, value], ...]
    response_head    BLOB    NOT NULL,  -- at most the first 2 KB
    transform        TEXT,
    PRIMARY KEY (event_id, destination, number)
) STRICT, WITHOUT ROWID;

-- Every destination ever seen. One that has left the config is held: its deliveries wait.
CREATE TABLE lanes (
    destination TEXT NOT NULL PRIMARY KEY,
    held        TEXT  -- why nothing is sent; NULL while it is open
) STRICT, WITHOUT ROWID;

-- What makes a webhook the same as an earlier one, for as long as its window lasts.
CREATE TABLE idempotency (
    endpoint_id BLOB    NOT NULL,
    key         TEXT    NOT NULL,
    event_id    BLOB    NOT NULL,
    expires_ms  INTEGER NOT NULL,
    PRIMARY KEY (endpoint_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_expires ON idempotency (expires_ms);

-- One row, rewritten to prove that the disk takes writes.
CREATE TABLE probe (
    id    INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;
