-- Schema version 6.

-- What ever happened to a destination, counted in the transaction that makes it so. Alerts compare
-- these with what they have told.
ALTER TABLE lanes ADD COLUMN failed_count INTEGER NOT NULL DEFAULT 0;   -- deliveries, for good
ALTER TABLE lanes ADD COLUMN failed_alerts INTEGER NOT NULL DEFAULT 0;  -- those of alerts, apart
ALTER TABLE lanes ADD COLUMN failed_event BLOB;                         -- of the last of either
ALTER TABLE lanes ADD COLUMN held_count INTEGER NOT NULL DEFAULT 0;     -- from open to held
ALTER TABLE lanes ADD COLUMN opened_count INTEGER NOT NULL DEFAULT 0;   -- and back

-- What has been told of one kind about one subject by one destination.
CREATE TABLE alerts (
    destination TEXT    NOT NULL,  -- by which it is told
    kind        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,  -- a destination, a slug, or empty
    mark        INTEGER NOT NULL,  -- how far the counting came: a total of `lanes`, or a time
    active      INTEGER NOT NULL,  -- it began, and has not ended yet
    pending     INTEGER NOT NULL,  -- what happened and is not told yet
    since_ms    INTEGER,           -- the first of those
    alerts      INTEGER NOT NULL,  -- told so far
    told_ms     INTEGER,           -- the last of those
    event_id    BLOB,              -- and its event
    PRIMARY KEY (destination, kind, subject)
) STRICT, WITHOUT ROWID;
