"""What every backend promises of the counts per minute and hour, through the protocol alone."""

import asyncio
from dataclasses import replace

import pytest
from asking import OpenStore, add, pruned
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.alert_kinds import ALERTS, AlertKind
from dispatchd.model import Dead, Delivered, DeliveryStatus, ErrorClass, EventStatus, RetryAt
from dispatchd.store import Store
from dispatchd.store.alerts import AlertNote
from dispatchd.store.base import Idempotency
from dispatchd.store.counts import HOUR_S, LATENCY_BOUNDS_MS, MINUTE_S, quantile_ms, within_ms

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
HOUR0_MS = NOW_MS // HOUR_MS * HOUR_MS


async def test_events_count_in_their_minute_and_hour(store: Store) -> None:
    for offset_ms in (0, 1, MINUTE_MS, HOUR_MS):
        await add(store, an_event(received_ms=HOUR0_MS + offset_ms))
    await add(store, an_event(received_ms=HOUR0_MS, endpoint="b", status=EventStatus.FILTERED))
    minutes = await store.counts(MINUTE_S, HOUR0_MS, HOUR0_MS + HOUR_MS)
    assert [
        (c.start_s - HOUR0_MS // 1000, c.endpoint, c.result, c.count) for c in minutes.endpoints
    ] == [
        (0, "b", "filtered", 1),
        (0, "my-slug", "received", 2),
        (60, "my-slug", "received", 1),
    ]
    hours = await store.counts(HOUR_S, HOUR0_MS + 5, HOUR0_MS + 2 * HOUR_MS)
    assert [(c.endpoint, c.count) for c in hours.endpoints] == [
        ("b", 1),
        ("my-slug", 3),
        ("my-slug", 1),
    ]


async def test_an_alert_counts_by_its_own_name(store: Store) -> None:
    event = an_event(received_ms=HOUR0_MS, endpoint=ALERTS)
    note = AlertNote("ops", AlertKind.BACKLOG, "crm", event_id=event.id)
    await store.tell_alert(event, note)
    counted = await store.counts(HOUR_S, HOUR0_MS, HOUR0_MS + 1)
    assert [(c.endpoint, c.result, c.count) for c in counted.endpoints] == [(ALERTS, "received", 1)]


async def test_attempts_count_by_what_they_made_and_how_long_they_took(store: Store) -> None:
    (delivery,) = await add(store, an_event(), "crm")
    failed = replace(an_attempt(delivery, error=ErrorClass.TIMEOUT), latency_ms=900.0)
    await store.record(delivery, failed, RetryAt(NOW_MS))
    (again,) = (await store.claim("crm", NOW_MS, 1, 1000)).ready
    await store.record(again[0], an_attempt(again[0]), Delivered())
    (other,) = await add(store, an_event(), "audit")
    await store.record(other, an_attempt(other, error=ErrorClass.HTTP), Dead())
    counted = await store.counts(HOUR_S, NOW_MS, NOW_MS + 1)
    assert {(c.destination, c.result, c.within_ms, c.count) for c in counted.destinations} == {
        ("crm", "retrying", 1024, 1),
        ("crm", "success", 2, 1),
        ("audit", "failed", 2, 1),
    }


async def test_what_comes_at_once_counts_once_each_and_a_duplicate_does_not(store: Store) -> None:
    key = Idempotency("k", NOW_MS + 10)
    await asyncio.gather(
        *(store.add_event(an_event(), [], key if n < 5 else None) for n in range(300))
    )
    counted = await store.counts(MINUTE_S, NOW_MS, NOW_MS + 1)
    assert [c.count for c in counted.endpoints] == [296]


async def test_counts_outlive_their_events_and_a_restart(
    store: Store, open_store: OpenStore
) -> None:
    await add(store, an_event())
    assert await pruned(store, NOW_MS + 1) == (1, 0)
    await store.close()
    counted = await (await open_store()).counts(MINUTE_S, NOW_MS, NOW_MS + 1)
    assert [c.count for c in counted.endpoints] == [1]


async def test_old_counts_are_dropped_minutes_before_hours(store: Store) -> None:
    (delivery,) = await add(store, an_event(), "crm")
    await store.record(delivery, an_attempt(delivery), Delivered())
    assert await store.drop_counts(NOW_MS + 24 * HOUR_MS) == 0
    later_ms = NOW_MS + 28 * HOUR_MS
    assert [await store.drop_counts(later_ms) for _ in range(2)] == [2, 0]
    assert (await store.counts(MINUTE_S, 0, later_ms)).endpoints == []
    # Of what no minute is left the hours tell: the whole one.
    stats = await store.stats(NOW_MS + MINUTE_MS)
    assert stats.events == {EventStatus.RECEIVED: 1}
    assert await store.drop_counts(NOW_MS + 401 * 24 * HOUR_MS) == 2
    assert (await store.stats(0)).events == {}


async def test_stats_count_from_the_minute(store: Store) -> None:
    for minute in (0, 30, 59, 60, 90):
        (delivery,) = await add(store, an_event(received_ms=HOUR0_MS + minute * MINUTE_MS), "crm")
        attempt = replace(an_attempt(delivery), started_ms=HOUR0_MS + minute * MINUTE_MS)
        await store.record(delivery, attempt, Delivered())
    for since, expected in {0: 5, 1: 4, 30: 4, 31: 3, 60: 2, 61: 1}.items():
        stats = await store.stats(HOUR0_MS + since * MINUTE_MS + 59_999)
        assert stats.events == {EventStatus.RECEIVED: expected}, since
        (crm,) = [d for d in stats.destinations if d.destination == "crm"]
        assert crm.counts == {DeliveryStatus.SUCCESS: expected}


async def test_stats_count_up_to_the_minute(store: Store) -> None:
    for minute in (0, 30, 59, 60, 90):
        at_ms = HOUR0_MS + minute * MINUTE_MS
        (delivery,) = await add(store, an_event(received_ms=at_ms), "crm")
        await store.record(delivery, replace(an_attempt(delivery), started_ms=at_ms), Delivered())
    for since, until, expected in ((0, 91, 5), (0, 60, 3), (1, 60, 2), (30, 31, 1), (31, 59, 0)):
        stats = await store.stats(HOUR0_MS + since * MINUTE_MS, HOUR0_MS + until * MINUTE_MS)
        assert stats.events == ({EventStatus.RECEIVED: expected} if expected else {})
        (crm,) = [d for d in stats.destinations if d.destination == "crm"]
        assert crm.counts == ({DeliveryStatus.SUCCESS: expected} if expected else {})


@pytest.mark.parametrize("latency_ms", [0.0, 0.4, 1.0, 1.01, 31.9, 32.0, 5000.0, 1e9])
def test_a_class_holds_its_latency(latency_ms: float) -> None:
    bound = within_ms(latency_ms)
    assert bound in LATENCY_BOUNDS_MS
    assert latency_ms <= bound or bound == LATENCY_BOUNDS_MS[-1]
    assert all(latency_ms > lower for lower in LATENCY_BOUNDS_MS if lower < bound)


def test_quantiles_lie_in_the_class_that_holds_them() -> None:
    assert quantile_ms([], 0.5) is None
    assert quantile_ms([(0, 9)], 0.5) is None  # nobody noted the time
    assert quantile_ms([(16, 98), (1024, 2), (0, 50)], 0.5) == pytest.approx(13.6, abs=0.5)
    assert 724 < (quantile_ms([(16, 98), (1024, 2)], 0.99) or 0) <= 1024


async def test_counts_come_in_pieces_that_hold_whole_steps(store: Store) -> None:
    for minute in range(6):
        for endpoint in ("a", "b"):
            at_ms = HOUR0_MS + minute * MINUTE_MS
            (delivery,) = await add(store, an_event(received_ms=at_ms, endpoint=endpoint), "crm")
            attempt = replace(an_attempt(delivery), started_ms=at_ms)
            await store.record(delivery, attempt, Delivered())
    until_ms = HOUR0_MS + HOUR_MS
    whole = await store.counts(MINUTE_S, HOUR0_MS, until_ms)
    assert whole.next_ms is None
    for rows_max in (1, 2, 3, 5, 11, 12, 100):
        pieces, since_ms = [], HOUR0_MS
        while True:
            piece = await store.counts(MINUTE_S, since_ms, until_ms, rows_max)
            pieces.append(piece)
            if piece.next_ms is None:
                break
            assert piece.next_ms > since_ms
            since_ms = piece.next_ms
        assert [row for piece in pieces for row in piece.endpoints] == whole.endpoints
        assert [row for piece in pieces for row in piece.destinations] == whole.destinations
        assert all(len(piece.endpoints) <= max(rows_max, 2) for piece in pieces)


async def test_stats_of_attempts_alone_count_from_the_minute(store: Store) -> None:
    """What came long ago may be delivered today: then no minute has an event."""
    (first,) = await add(store, an_event(received_ms=HOUR0_MS - 48 * HOUR_MS), "crm")
    (second,) = await add(store, an_event(received_ms=HOUR0_MS - 48 * HOUR_MS), "crm")
    await store.drop_counts(HOUR0_MS)
    for minute, delivery in ((5, first), (40, second)):
        attempt = replace(an_attempt(delivery), started_ms=HOUR0_MS + minute * MINUTE_MS)
        await store.record(delivery, attempt, Delivered())
    for since, expected in {0: 2, 6: 1, 41: None}.items():
        stats = await store.stats(HOUR0_MS + since * MINUTE_MS)
        (crm,) = [d for d in stats.destinations if d.destination == "crm"]
        assert crm.counts.get(DeliveryStatus.SUCCESS) == expected, since
