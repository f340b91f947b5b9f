-- Schema version 9.

-- Deliveries that a consumer of a pull queue has, for a time. While one is leased its delivery is
-- due at `until_ms` and no sooner, so that no look at what is due finds it. An attempt is written,
-- and the row goes, in the transaction that ends it.
CREATE TABLE leases (
    event_id    BLOB    NOT NULL,
    destination TEXT    NOT NULL,
    id          TEXT    NOT NULL UNIQUE,  -- what the consumer knows it by
    number      INTEGER NOT NULL,         -- of the attempt that it is
    replays     INTEGER NOT NULL,         -- of its delivery, when it was leased
    started_ms  INTEGER NOT NULL,         -- the wall clock then
    from_ms     INTEGER NOT NULL,         -- the schedule's time then
    until_ms    INTEGER NOT NULL,         -- likewise, when it runs out
    rule        TEXT,
    transform   TEXT,
    PRIMARY KEY (event_id, destination)
) STRICT, WITHOUT ROWID;

CREATE INDEX leases_until ON leases (destination, until_ms);
