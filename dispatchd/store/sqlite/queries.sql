-- Every statement the SQLite store runs more than once, by name.

-- name: add_event
INSERT INTO events (id, endpoint, endpoint_id, received_ms, event_type, source_ip, status,
                    filtered_by, content_type, headers, body, auth, forward_headers)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_delivery
INSERT INTO deliveries (event_id, destination, status, due_ms, rule)
VALUES (?, ?, 'queued', ?, ?);

-- name: add_ordered_delivery
INSERT INTO deliveries (event_id, destination, status, due_ms, rule, place)
SELECT ?1, ?2, 'queued', ?3, ?4, seq FROM events WHERE id = ?1;

-- name: add_attempt
INSERT INTO attempts (event_id, destination, number, started_ms, latency_ms, status_code, error,
                      message, response_headers, response_head, transform, template)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- A replay that came while the attempt was in flight wins: only the count moves on. An attempt
-- that failed for a fault of our own is counted with those that do not matter any more.
-- name: settle
UPDATE deliveries SET
    status = iif(replays = ?1, ?2, status),
    due_ms = iif(replays = ?1, ?3, due_ms),
    attempts_before = iif(replays = ?1, attempts_before + ?5, ?4),
    attempts = ?4,
    rule = iif(replays = ?1, ?6, rule)
WHERE event_id = ?7 AND destination = ?8;

-- name: claim
SELECT d.event_id, d.destination, d.status, d.attempts, d.attempts_before, d.replays, d.due_ms,
       length(e.body) + length(e.headers) + iif(d.as_sent, coalesce((
           SELECT length(s.body) FROM sent s
           WHERE s.event_id = d.event_id AND s.destination = d.destination), 0), 0),
       d.as_sent, d.rule
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.destination = ? AND d.status IN ('queued', 'retrying') AND d.due_ms <= ?
ORDER BY d.due_ms, d.event_id LIMIT ?;

-- name: claim_in_order
SELECT d.event_id, d.destination, d.status, d.attempts, d.attempts_before, d.replays, d.due_ms,
       length(e.body) + length(e.headers) + iif(d.as_sent, coalesce((
           SELECT length(s.body) FROM sent s
           WHERE s.event_id = d.event_id AND s.destination = d.destination), 0), 0),
       d.as_sent, d.rule
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.destination = ? AND d.place IS NOT NULL AND d.status IN ('queued', 'retrying')
ORDER BY d.place LIMIT 1;

-- When the last lease ends of those of a lane that no other attempt has gone past.
-- name: last_lease_end
SELECT l.until_ms
FROM leases l CROSS JOIN deliveries d
     ON d.event_id = l.event_id AND d.destination = l.destination
WHERE l.destination = ? AND d.status IN ('queued', 'retrying') AND d.attempts = l.number - 1
ORDER BY l.until_ms DESC LIMIT 1;

-- What became an ordered lane since the last daemon has no places yet.
-- name: give_places
UPDATE deliveries SET place = (SELECT seq FROM events WHERE id = event_id)
WHERE destination = ?1 AND status IN ('queued', 'retrying') AND place IS NULL
    AND NOT (SELECT ordered FROM lanes WHERE destination = ?1);

-- name: order_lane
UPDATE lanes SET ordered = ? WHERE destination = ? AND ordered != ?1;

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

-- From open to held; before `hold_lane`.
-- name: count_held
UPDATE lanes SET held_count = held_count + 1
WHERE destination = ?1 AND NOT EXISTS (SELECT 1 FROM holds WHERE destination = ?1);

-- name: is_held
SELECT 1 FROM holds WHERE destination = ? LIMIT 1;

-- name: count_opened
UPDATE lanes SET opened_count = opened_count + 1 WHERE destination = ?;

-- After `settle`: not where a replay came while the attempt was in flight.
-- name: count_dead
UPDATE lanes SET
    failed_count = failed_count
        + (SELECT endpoint != 'dispatchd:alerts' FROM events WHERE id = ?1),
    failed_alerts = failed_alerts
        + (SELECT endpoint = 'dispatchd:alerts' FROM events WHERE id = ?1),
    failed_event = ?1
WHERE destination = ?2 AND EXISTS (
    SELECT 1 FROM deliveries WHERE event_id = ?1 AND destination = ?2 AND status = 'failed');

-- name: lane_totals
SELECT destination, failed_count, failed_alerts, failed_event, held_count, opened_count,
       last_success_ms
FROM lanes;

-- Looks at no more than a bound of what is owed; ids are ordered by time.
-- name: waiting
SELECT count(*), min(event_id) FROM (
    SELECT event_id FROM deliveries
    WHERE destination = ? AND status IN ('queued', 'retrying') LIMIT ?);

-- name: received
SELECT received_ms FROM events WHERE id = ?;

-- name: last_failure
SELECT error, status_code, message FROM attempts
WHERE event_id = ? AND destination = ? ORDER BY number DESC LIMIT 1;

-- name: last_events
SELECT endpoint, max(received_ms) FROM events WHERE received_ms >= ? GROUP BY endpoint;

-- name: alert_notes
SELECT destination, kind, subject, mark, active, pending, since_ms, alerts, told_ms, event_id
FROM alerts;

-- name: keep_alert_note
INSERT OR REPLACE INTO alerts (destination, kind, subject, mark, active, pending, since_ms, alerts,
                               told_ms, event_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: drop_alert_note
DELETE FROM alerts WHERE destination = ? AND kind = ? AND subject = ?;
-- name: pace_lane
UPDATE lanes SET pacing = ?, paced_since_ms = ? WHERE destination = ?;

-- name: pace_none
UPDATE lanes SET pacing = NULL, paced_since_ms = NULL WHERE pacing IS NOT NULL;

-- name: lane_succeeded
UPDATE lanes SET last_success_ms = ? WHERE destination = ?;

-- name: lane_failed
UPDATE lanes SET last_error_ms = ?, last_error = ? WHERE destination = ?;

-- name: lanes
SELECT destination, last_success_ms, last_error_ms, last_error FROM lanes ORDER BY destination;

-- Of each lane the first of the due set.
-- name: oldest_due
SELECT (SELECT min(d.due_ms) FROM deliveries d
        WHERE d.destination = l.destination AND d.status IN ('queued', 'retrying'))
FROM lanes l WHERE NOT EXISTS (SELECT 1 FROM holds h WHERE h.destination = l.destination);

-- name: owes
SELECT 1 FROM deliveries
WHERE destination = ? AND status IN ('queued', 'retrying') LIMIT 1;

-- name: clock
SELECT wall_ms, ahead_ms FROM clock WHERE id = 1;

-- name: keep_time
UPDATE clock SET wall_ms = ?, ahead_ms = ahead_ms + ? WHERE id = 1;

-- name: story_deliveries
SELECT event_id, destination, status, attempts, attempts_before, replays, due_ms, rule
FROM deliveries WHERE event_id = ? ORDER BY destination;

-- name: story_attempts
SELECT event_id, destination, number, started_ms, latency_ms, status_code, error, message,
       response_headers, response_head, transform, template
FROM attempts WHERE event_id = ? ORDER BY destination, number;

-- name: story_variants
SELECT destination, variant FROM sent WHERE event_id = ? AND variant IS NOT NULL;

-- Replays are counted so that the result of an attempt already in flight cannot undo one, and so
-- that nobody starts a run that another has started since. With a status, only while it is that.
-- What is leased is due when the lease ends.
-- name: replay
UPDATE deliveries SET status = 'queued', attempts_before = attempts,
                      due_ms = max(?1, ifnull((
                          SELECT until_ms FROM leases l
                          WHERE l.event_id = deliveries.event_id
                              AND l.destination = deliveries.destination), 0)),
                      replays = replays + 1, as_sent = ?2,
                      place = (SELECT e.seq FROM events e JOIN lanes l
                               ON e.id = deliveries.event_id
                                  AND l.destination = deliveries.destination AND l.ordered)
WHERE event_id = ?3 AND destination = ?4 AND replays = ?5 AND (?6 IS NULL OR status = ?6);

-- It counts as replayed: its rules are asked when it is sent. Another job may have made it since.
-- name: make_delivery
INSERT OR IGNORE INTO deliveries (event_id, destination, status, due_ms, replays, place)
SELECT e.id, ?3, 'queued', ?1, 1,
       (SELECT e.seq FROM lanes l WHERE l.destination = ?3 AND l.ordered)
FROM events e WHERE e.id = ?2;

-- What a job looks at, in the order of a key each: named events, failed deliveries, all events.
-- name: look_at_event
SELECT seq, endpoint, event_type, received_ms, length(body) FROM events WHERE id = ?;

-- By name and key apart: of a row value's comparison SQLite would search the name alone.
-- name: failed_of
SELECT d.event_id, d.destination, d.replays, e.seq, e.endpoint, e.event_type, e.received_ms,
       length(e.body)
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.status = 'failed' AND d.destination = ? AND d.event_id > ?
ORDER BY d.destination, d.event_id LIMIT ?;

-- name: failed
SELECT d.event_id, d.destination, d.replays, e.seq, e.endpoint, e.event_type, e.received_ms,
       length(e.body)
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.status = 'failed' AND (d.destination, d.event_id) > (?, ?)
ORDER BY d.destination, d.event_id LIMIT ?;

-- name: events_between
SELECT e.id, e.seq, e.endpoint, e.event_type, e.received_ms, length(e.body) FROM events e
WHERE (e.received_ms, e.seq) > (?, ?) AND e.received_ms < ?
ORDER BY e.received_ms, e.seq LIMIT ?;

-- name: replayable
SELECT destination, status, replays FROM deliveries WHERE event_id = ?;

-- name: count_failed
SELECT count(*) FROM deliveries WHERE status = 'failed' AND destination = ?;

-- name: count_all_failed
SELECT count(*) FROM deliveries WHERE status = 'failed';

-- name: count_between
SELECT count(*) FROM events WHERE received_ms >= ? AND received_ms < ?;

-- name: add_job
INSERT INTO jobs (kind, state, query, rate, last_seq, total, created_ms)
VALUES ('replay', 'queued', ?, ?, ?, ?, ?);

-- name: job
SELECT id, state, query, rate, total, looked, replayed, undecided, created_ms, started_ms,
       ended_ms, error, last_seq, cursor
FROM jobs WHERE id = ?;

-- name: open_jobs
SELECT id, state, query, rate, total, looked, replayed, undecided, created_ms, started_ms,
       ended_ms, error, last_seq, cursor
FROM jobs WHERE state IN ('queued', 'running') ORDER BY id;

-- name: find_jobs
SELECT id, state, query, rate, total, looked, replayed, undecided, created_ms, started_ms,
       ended_ms, error, last_seq, cursor
FROM jobs ORDER BY id DESC LIMIT ?;

-- Only from where its page was read: of two who run a job, one finds that it has moved.
-- name: move_job
UPDATE jobs SET state = :state, cursor = :cursor, looked = looked + :looked,
                undecided = undecided + :undecided,
                started_ms = coalesce(started_ms, :now_ms), ended_ms = :ended_ms
WHERE id = :id AND state IN ('queued', 'running') AND cursor IS :before;

-- name: count_replayed
UPDATE jobs SET replayed = replayed + ? WHERE id = ?;

-- name: end_job
UPDATE jobs SET state = ?, ended_ms = ?, error = ?
WHERE id = ? AND state IN ('queued', 'running');

-- name: prune_jobs
DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE ended_ms < ? ORDER BY id LIMIT ?);

-- name: keep_sent
INSERT INTO sent (event_id, destination, body, variant) VALUES (?, ?, ?, ?)
ON CONFLICT (event_id, destination) DO UPDATE SET
    body = excluded.body, variant = excluded.variant
WHERE body IS NOT excluded.body OR variant IS NOT excluded.variant;

-- name: drop_sent
DELETE FROM sent WHERE event_id = ? AND destination = ?;

-- name: sent
SELECT body, variant FROM sent WHERE event_id = ? AND destination = ?;

-- name: prune_sent
DELETE FROM sent WHERE event_id = ?;

-- The last column: 2 where something is owed still, 1 where something failed for good, else 0.
-- name: prunable
SELECT e.received_ms, e.seq, e.id, length(e.body),
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

-- name: stats_open
SELECT destination, status, count(*), min(due_ms) FROM deliveries
WHERE status IN ('queued', 'retrying') GROUP BY destination, status;

-- name: probe
INSERT INTO probe (id, count) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1;

-- name: count_endpoint
INSERT INTO endpoint_counts (span_s, start_s, endpoint, result, count) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- name: count_destination
INSERT INTO destination_counts (span_s, start_s, destination, result, within_ms, count)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- name: uncounted_events
SELECT received_ms / 60000, endpoint, status, count(*) FROM events
WHERE seq > (SELECT last_seq FROM counted WHERE id = 1) GROUP BY 1, 2, 3;

-- What an attempt made of its delivery: what that is, where no later attempt was made.
-- name: uncounted_attempts
SELECT a.started_ms / 60000, a.destination, iif(a.error IS NULL, 'success', iif(
    EXISTS (SELECT 1 FROM attempts later WHERE later.event_id = a.event_id
        AND later.destination = a.destination AND later.number > a.number)
    OR (SELECT d.status FROM deliveries d
        WHERE d.event_id = a.event_id AND d.destination = a.destination) != 'failed',
    'retrying', 'failed')), a.latency_ms
FROM events e JOIN attempts a ON a.event_id = e.id
WHERE e.seq > (SELECT last_seq FROM counted WHERE id = 1);

-- name: is_uncounted
SELECT id FROM events WHERE id = ? AND seq > (SELECT last_seq FROM counted WHERE id = 1);

-- name: all_counted
UPDATE counted SET last_seq = (SELECT coalesce(max(seq), 0) FROM events);

-- A number may come again once the last event is deleted.
-- name: lower_counted
UPDATE counted SET last_seq = (SELECT coalesce(max(seq), 0) FROM events)
WHERE last_seq > (SELECT coalesce(max(seq), 0) FROM events);

-- name: endpoint_counts
SELECT start_s, endpoint, result, count FROM endpoint_counts
WHERE span_s = ? AND start_s >= ? AND start_s < ? ORDER BY start_s;

-- name: destination_counts
SELECT start_s, destination, result, within_ms, count FROM destination_counts
WHERE span_s = ? AND start_s >= ? AND start_s < ? ORDER BY start_s;

-- The whole hours, and of the first one the minutes since; hours alone where no minute is left.
-- What is counted since a time, ?1 and ?2, less what is since another, ?3 and ?4: of each the minutes
-- up to an hour, and the hours from there on.
-- name: stats_events
SELECT endpoint, result, sum(count * iif(span_s = 3600,
    (start_s >= ?2) - (start_s >= ?4),
    (start_s >= ?1 AND start_s < ?2) - (start_s >= ?3 AND start_s < ?4))) AS counted
FROM endpoint_counts
WHERE (span_s = 3600 AND start_s >= ?2) OR (span_s = 60 AND start_s >= ?1 AND start_s < max(?2, ?4))
GROUP BY endpoint, result HAVING counted > 0;

-- In the order of the due set: nothing is sorted.
-- name: owed
SELECT destination, count(*), min(due_ms) FROM deliveries
WHERE status IN ('queued', 'retrying') GROUP BY destination;

-- name: stats_ended
SELECT destination, result, sum(count * iif(span_s = 3600,
    (start_s >= ?2) - (start_s >= ?4),
    (start_s >= ?1 AND start_s < ?2) - (start_s >= ?3 AND start_s < ?4))) AS counted
FROM destination_counts
WHERE ((span_s = 3600 AND start_s >= ?2)
    OR (span_s = 60 AND start_s >= ?1 AND start_s < max(?2, ?4)))
    AND result != 'retrying'
GROUP BY destination, result HAVING counted > 0;

-- name: endpoint_count_at
SELECT start_s FROM endpoint_counts
WHERE span_s = ? AND start_s >= ? AND start_s < ? ORDER BY start_s LIMIT 1 OFFSET ?;

-- name: destination_count_at
SELECT start_s FROM destination_counts
WHERE span_s = ? AND start_s >= ? AND start_s < ? ORDER BY start_s LIMIT 1 OFFSET ?;

-- name: first_endpoint_minute
SELECT min(start_s) FROM endpoint_counts WHERE span_s = 60;

-- name: first_destination_minute
SELECT min(start_s) FROM destination_counts WHERE span_s = 60;

-- name: drop_endpoint_counts
DELETE FROM endpoint_counts WHERE (span_s, start_s, endpoint, result) IN (
    SELECT span_s, start_s, endpoint, result FROM endpoint_counts
    WHERE span_s = ? AND start_s < ? ORDER BY start_s LIMIT ?);

-- name: drop_destination_counts
DELETE FROM destination_counts WHERE (span_s, start_s, destination, result, within_ms) IN (
    SELECT span_s, start_s, destination, result, within_ms FROM destination_counts
    WHERE span_s = ? AND start_s < ? ORDER BY start_s LIMIT ?);

-- name: add_refused
INSERT INTO refused (endpoint, slug, at_ms, method, status, reason, message, source_ip, headers,
                     body_bytes, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: trim_refused
DELETE FROM refused WHERE endpoint = ?1 AND reason = ?2 AND id <= (
    SELECT id FROM refused WHERE endpoint = ?1 AND reason = ?2
    ORDER BY id DESC LIMIT 1 OFFSET ?3);

-- name: prune_refused
DELETE FROM refused WHERE id IN (SELECT id FROM refused WHERE at_ms < ? ORDER BY id LIMIT ?);

-- name: newest_place
SELECT seq, id FROM events ORDER BY seq DESC LIMIT 1;

-- name: event_at
SELECT id FROM events WHERE seq = ?;

-- name: place_by_id
SELECT seq, id FROM events WHERE id <= ? ORDER BY id DESC LIMIT 1;

-- Whoever was received first since then; of those soon after, one may have been kept before it.
-- name: first_since
SELECT min(seq) FROM events WHERE received_ms BETWEEN
    (SELECT min(received_ms) FROM events WHERE received_ms >= ?1)
    AND (SELECT min(received_ms) FROM events WHERE received_ms >= ?1) + ?2;

-- name: place_before
SELECT seq, id FROM events WHERE seq < ? ORDER BY seq DESC LIMIT 1;

-- name: window_after
SELECT max(seq), count(*) FROM (SELECT seq FROM events WHERE seq > ? ORDER BY seq LIMIT ?);

-- One that is there has run out: else its delivery would not have been due.
-- name: add_lease
INSERT OR REPLACE INTO leases (event_id, destination, id, number, replays, started_ms, from_ms,
                               until_ms, rule, transform)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- A lease holds its delivery back, whatever has become due of it meanwhile.
-- name: due_after_lease
UPDATE deliveries SET due_ms = ?1
WHERE event_id = ?2 AND destination = ?3 AND status IN ('queued', 'retrying');

-- name: extend_lease
UPDATE leases SET until_ms = max(until_ms, ?1)
WHERE id = ?2 AND destination = ?3 AND until_ms > ?4;

-- name: lease_until
SELECT event_id, until_ms FROM leases WHERE id = ? AND destination = ?;

-- The last is 0 to end one that runs, 1 to end one that has run out.
-- name: end_lease
DELETE FROM leases WHERE id = ?1 AND destination = ?2 AND (until_ms <= ?3) = ?4;

-- What was replayed while it was leased is due now that it no longer is.
-- name: due_again
UPDATE deliveries SET due_ms = min(due_ms, ?1)
WHERE event_id = ?2 AND destination = ?3 AND replays != ?4 AND status IN ('queued', 'retrying');

-- name: lease
SELECT l.event_id, l.id, l.number, l.replays, l.started_ms, l.from_ms, l.until_ms, l.rule,
       l.transform, d.status, d.attempts_before, d.attempts
FROM leases l LEFT JOIN deliveries d ON d.event_id = l.event_id AND d.destination = l.destination
WHERE l.id = ? AND l.destination = ?;

-- name: leases_ran_out
SELECT l.event_id, l.id, l.number, l.replays, l.started_ms, l.from_ms, l.until_ms, l.rule,
       l.transform, d.status, d.attempts_before, d.attempts
FROM leases l LEFT JOIN deliveries d ON d.event_id = l.event_id AND d.destination = l.destination
WHERE l.destination = ? AND l.until_ms <= ? ORDER BY l.until_ms LIMIT ?;

-- name: next_lease_end
SELECT until_ms FROM leases WHERE destination = ? AND until_ms > ? ORDER BY until_ms LIMIT 1;

-- name: drop_lease
DELETE FROM leases WHERE id = ?;

-- Not those that another attempt has gone past, nor those that ran out by the clock as last kept:
-- where no queue is any more nobody ends them.
-- name: leased
SELECT l.destination, count(*)
FROM leases l CROSS JOIN deliveries d
     ON d.event_id = l.event_id AND d.destination = l.destination
WHERE d.status IN ('queued', 'retrying') AND d.attempts = l.number - 1
    AND l.until_ms > (SELECT wall_ms + ahead_ms FROM clock WHERE id = 1)
GROUP BY l.destination;

-- name: story_leases
SELECT l.destination, l.until_ms
FROM leases l CROSS JOIN deliveries d
     ON d.event_id = l.event_id AND d.destination = l.destination
WHERE l.event_id = ? AND d.status IN ('queued', 'retrying') AND d.attempts = l.number - 1
    AND l.until_ms > (SELECT wall_ms + ahead_ms FROM clock WHERE id = 1);

-- name: prune_leases
DELETE FROM leases WHERE event_id = ?;
