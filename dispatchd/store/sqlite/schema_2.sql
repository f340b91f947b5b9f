-- Schema version 2.

-- Since when a lane is held (Unix ms); NULL while it is open, or where nobody noted it.
ALTER TABLE lanes ADD COLUMN since_ms INTEGER;

-- One row: the wall clock when it was last looked at, and by how much all that it was set back
-- puts the schedule ahead of it. `deliveries.due_ms` is the schedule's time, which never goes
-- back: no delivery has to be moved when the wall clock does.
CREATE TABLE clock (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    wall_ms  INTEGER NOT NULL,
    ahead_ms INTEGER NOT NULL
) STRICT;

INSERT INTO clock (id, wall_ms, ahead_ms) VALUES (1, 0, 0);
