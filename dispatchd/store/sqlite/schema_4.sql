-- Schema version 4.

-- Whether a destination is sent to in order of receipt, as the last daemon's config had it.
ALTER TABLE lanes ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;

-- The event's `seq`, which is the order of receipt; set for ordered lanes alone, so that the
-- others pay for no second index.
ALTER TABLE deliveries ADD COLUMN place INTEGER;

CREATE INDEX deliveries_in_order ON deliveries (destination, place)
    WHERE place IS NOT NULL AND status IN ('queued', 'retrying');
