-- Schema version 8.

-- What came and what became of it, per minute (span_s = 60) and per hour (3600), so that no
-- statistic has to scan the history. Written in the transactions of what they count. `start_s`
-- is Unix seconds, a multiple of the span.
CREATE TABLE endpoint_counts (
    span_s   INTEGER NOT NULL,
    start_s  INTEGER NOT NULL,
    endpoint TEXT    NOT NULL,  -- '' for requests to a slug that is nobody's
    result   TEXT    NOT NULL,  -- received, filtered, duplicate, handshake, or why it was refused
    count    INTEGER NOT NULL,
    PRIMARY KEY (span_s, start_s, endpoint, result)
) STRICT, WITHOUT ROWID;

-- Attempts. `within_ms` is the least of a fixed series that the exchange took no longer than: a
-- histogram, a row for each of its classes.
CREATE TABLE destination_counts (
    span_s      INTEGER NOT NULL,
    start_s     INTEGER NOT NULL,
    destination TEXT    NOT NULL,
    result      TEXT    NOT NULL,  -- what the delivery became: success, retrying, failed
    within_ms   INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (span_s, start_s, destination, result, within_ms)
) STRICT, WITHOUT ROWID;

-- What came in the day before this schema, which is what `stats` tells of unless asked for more.
INSERT INTO endpoint_counts
    SELECT span.column1, received_ms / 1000 / span.column1 * span.column1, endpoint, status,
           count(*)
    FROM events, (VALUES (60), (3600)) AS span
    WHERE received_ms >= (unixepoch() / 3600 - 24) * 3600000
    GROUP BY 1, 2, 3, 4;

INSERT INTO destination_counts
    SELECT span.column1, e.received_ms / 1000 / span.column1 * span.column1, d.destination,
           d.status, 0, count(*)
    FROM events e JOIN deliveries d ON d.event_id = e.id, (VALUES (60), (3600)) AS span
    WHERE e.received_ms >= (unixepoch() / 3600 - 24) * 3600000 AND d.status IN ('success', 'failed')
    GROUP BY 1, 2, 3, 4;

-- The last requests that were refused, of each endpoint and reason a bounded number. No body
-- unless the endpoint asks for it, and no value of a header that may prove somebody.
CREATE TABLE refused (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint   TEXT    NOT NULL,  -- '' where the slug is nobody's
    slug       TEXT    NOT NULL,  -- as it was asked for
    at_ms      INTEGER NOT NULL,
    method     TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    reason     TEXT    NOT NULL,  -- the code of the answer
    message    TEXT    NOT NULL,
    source_ip  TEXT,
    headers    TEXT    NOT NULL,  -- JSON [[name, value], ...]
    body_bytes INTEGER,           -- NULL where nobody knows
    body       BLOB
) STRICT;

CREATE INDEX refused_of ON refused (endpoint, reason, id);
