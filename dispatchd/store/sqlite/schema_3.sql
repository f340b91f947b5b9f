-- Schema version 3.

-- forwarded headers
-- JSON [[name, value], ...] or NULL: headers that prove the sender, kept only because a linked
-- destination's `forward_headers` names them in full. They are sent on, and never shown.
ALTER TABLE events ADD COLUMN forward_headers TEXT;

-- Why nothing is sent to a destination: a row for each reason, and it is open when none is left.
CREATE TABLE holds (
    destination TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('paused', 'breaker', 'gone', 'config')),
    reason      TEXT NOT NULL,  -- for people; may be empty
    since_ms    INTEGER,        -- Unix ms; NULL where nobody noted it
    detail      TEXT,           -- JSON: what its owner needs after a restart
    PRIMARY KEY (destination, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO holds (destination, kind, reason, since_ms)
    SELECT destination, 'config', '', since_ms FROM lanes WHERE held IS NOT NULL;

ALTER TABLE lanes DROP COLUMN held;
ALTER TABLE lanes DROP COLUMN since_ms;

-- What came of a destination last, kept to the second: none of these costs a write for each
-- delivery. Unix ms; NULL where there was none yet.
ALTER TABLE lanes ADD COLUMN last_success_ms INTEGER;
ALTER TABLE lanes ADD COLUMN last_error_ms INTEGER;
ALTER TABLE lanes ADD COLUMN last_error TEXT;

-- What the last attempt sent in place of the event's own body, for a replay that sends it again.
-- One for each delivery that a transform made another, replaced by each attempt.
CREATE TABLE sent (
    event_id    BLOB NOT NULL,
    destination TEXT NOT NULL,
    body        BLOB NOT NULL,
    PRIMARY KEY (event_id, destination)
) STRICT;

-- 1 since a replay that asked for that.
ALTER TABLE deliveries ADD COLUMN as_sent INTEGER NOT NULL DEFAULT 0;

-- Bulk tasks. What a batch did and how far it came are written in one transaction.
CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL CHECK (kind = 'replay'),
    state      TEXT    NOT NULL
        CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
    query      TEXT    NOT NULL,  -- JSON
    rate       REAL,              -- deliveries a second; NULL: as fast as it goes
    last_seq   INTEGER NOT NULL,  -- events that came later are none of its business
    total      INTEGER NOT NULL,  -- how many it has to look at, as counted at its beginning
    looked     INTEGER NOT NULL DEFAULT 0,
    replayed   INTEGER NOT NULL DEFAULT 0,
    undecided  INTEGER NOT NULL DEFAULT 0,
    cursor     TEXT,              -- JSON: behind what it looked at last
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms   INTEGER,
    error      TEXT
) STRICT;

CREATE INDEX jobs_open ON jobs (id) WHERE state IN ('queued', 'running');
