-- Schema version 5.

-- Why the daemon goes easy on a destination, as it last said, and since when (Unix ms); NULL while
-- it does not.
ALTER TABLE lanes ADD COLUMN pacing TEXT;
ALTER TABLE lanes ADD COLUMN paced_since_ms INTEGER;
