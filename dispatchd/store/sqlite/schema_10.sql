-- Schema version 10.

-- One row: up to which event (`seq`) events and their attempts are counted. What came since is
-- counted by looking at it, until it is added to the counts, together: so an event costs no write
-- for its counts. An attempt for an event before that is counted with its own transaction.
CREATE TABLE counted (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last_seq INTEGER NOT NULL
) STRICT;

INSERT INTO counted SELECT 1, coalesce(max(seq), 0) FROM events;
