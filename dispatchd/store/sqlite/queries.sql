-- Every statement the SQLite store runs more than once, by name.

-- name: add_event
INSERT INTO events (id, endpoint, endpoint_id, received_ms, event_type, source_ip, status,
                    filtered_by, content_type, headers, body, auth, forward_headers)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_delivery
INSERT INTO deliveries (event_id, destination, status, due_ms) VALUES (?, ?, 'queued', ?);

-- name: add_attempt
INSERT INTO attempts (event_id, destination, number, started_ms, latency_ms, status_code, error,
                      message, response_headers, response_head, transform)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- A replay that came while the attempt was in flight wins: only the count moves on. An attempt
-- that failed for a fault of our own is counted with those that do not matter any more.
-- name: settle
UPDATE deliveries SET
    status = iif(replays = :replays, :status, status),
    due_ms = iif(replays = :replays, :due_ms, due_ms),
    attempts_before = iif(replays = :replays, attempts_before + :uncounted, :attempts),
    attempts = :attempts
WHERE event_id = :event_id AND destination = :destination;

-- name: claim
SELECT d.event_id, d.destination, d.status, d.attempts, d.attempts_before, d.replays, d.due_ms,
       length(e.body)
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.destination = ? AND d.status IN ('queued', 'retrying') AND d.due_ms <= ?
ORDER BY d.due_ms, d.event_id LIMIT ?;

-- name: next_due
SELECT due_ms FROM deliveries
WHERE destination = ? AND status IN ('queued', 'retrying') AND due_ms > ?
ORDER BY due_ms LIMIT 1;

-- name: event
SELECT id, endpoint, endpoint_id, received_ms, event_type, source_ip, status, filtered_by,
       content_type, headers, body, auth, forward_headers
FROM events WHERE id = ?;

-- name: remember
INSERT INTO idempotency (endpoint_id, key, event_id, expires_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (endpoint_id, key) DO UPDATE SET
    event_id = excluded.event_id, expires_ms = excluded.expires_ms;

-- name: remember_new
INSERT OR IGNORE INTO idempotency (endpoint_id, key, event_id, expires_ms) VALUES (?, ?, ?, ?);

-- name: remembered
SELECT event_id, expires_ms FROM idempotency WHERE endpoint_id = ? AND key = ?;

-- name: forget
DELETE FROM idempotency WHERE (endpoint_id, key) IN (
    SELECT endpoint_id, key FROM idempotency WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?);

-- name: add_lane
INSERT OR IGNORE INTO lanes (destination) VALUES (?);

-- name: hold_lane
INSERT OR REPLACE INTO holds (destination, kind, reason, since_ms, detail) VALUES (?, ?, ?, ?, ?);

-- name: hold_lane_first
INSERT OR IGNORE INTO holds (destination, kind, reason, since_ms, detail) VALUES (?, ?, ?, ?, ?);

-- name: open_lane
DELETE FROM holds WHERE destination = ? AND kind = ?;

-- name: owes
SELECT 1 FROM deliveries
WHERE destination = ? AND status IN ('queued', 'retrying') LIMIT 1;

-- name: clock
SELECT wall_ms, ahead_ms FROM clock WHERE id = 1;

-- name: keep_time
UPDATE clock SET wall_ms = ?, ahead_ms = ahead_ms + ? WHERE id = 1;

-- name: story_deliveries
SELECT event_id, destination, status, attempts, attempts_before, replays, due_ms
FROM deliveries WHERE event_id = ? ORDER BY destination;

-- name: story_attempts
SELECT event_id, destination, number, started_ms, latency_ms, status_code, error, message,
       response_headers, response_head, transform
FROM attempts WHERE event_id = ? ORDER BY destination, number;

-- Replays are counted so that the result of an attempt already in flight cannot undo one.
-- name: replay
UPDATE deliveries SET status = 'queued', due_ms = ?, attempts_before = attempts,
                      replays = replays + 1
WHERE event_id = ? AND destination = ?;

-- The last column: 2 where something is owed still, 1 where something failed for good, else 0.
-- name: prunable
SELECT e.received_ms, e.seq, e.id,
       (SELECT max(CASE d.status WHEN 'success' THEN 0 WHEN 'failed' THEN 1 ELSE 2 END)
        FROM deliveries d WHERE d.event_id = e.id)
FROM events e
WHERE (e.received_ms, e.seq) > (?, ?) AND e.received_ms < ?
ORDER BY e.received_ms, e.seq LIMIT ?;

-- name: prune_attempts
DELETE FROM attempts WHERE event_id = ?;

-- name: prune_deliveries
DELETE FROM deliveries WHERE event_id = ?;

-- name: prune_event
DELETE FROM events WHERE id = ?;

-- name: stats_events
SELECT status, count(*) FROM events WHERE received_ms >= ? GROUP BY status;

-- name: stats_open
SELECT destination, status, count(*), min(due_ms) FROM deliveries
WHERE status IN ('queued', 'retrying') GROUP BY destination, status;

-- name: stats_ended
SELECT d.destination, d.status, count(*) FROM events e
JOIN deliveries d ON d.event_id = e.id
WHERE e.received_ms >= ? AND d.status IN ('success', 'failed')
GROUP BY d.destination, d.status;

-- name: probe
INSERT INTO probe (id, count) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1;
