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
