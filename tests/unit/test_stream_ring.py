"""What is held for those who follow, within bounds, and what a follower makes of it."""

import asyncio
from typing import Any

import pytest
from nouns import NOW_MS, an_attempt, an_event
from rig import FakeClock, RecordingLog

from dispatchd.admin.stream.feed import Feed
from dispatchd.admin.stream.follower import Follower
from dispatchd.admin.stream.items import AttemptItem, EventItem, MissedItem, Wanted
from dispatchd.admin.stream.ring import Ring
from dispatchd.admin.stream.watch import ASIDE_MAX, Ended, StreamWatch
from dispatchd.facts import AttemptEnded, LaneChanged, WebhookAnswered
from dispatchd.model import (
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    Event,
    EventStatus,
    RetryAt,
    Verdict,
)
from dispatchd.store.base import EventQuery, EventSummary
from dispatchd.store.following import BEGINNING, Kept, Place

ANY = Wanted(EventQuery(), attempts=True)


def an_item(number: int, *, event: Event | None = None, **statuses: DeliveryStatus) -> EventItem:
    kept = event or an_event()
    summary = EventSummary(
        kept.id,
        kept.endpoint,
        kept.received_ms,
        kept.event_type,
        None,
        kept.status,
        7,
        {},
        statuses,
    )
    return EventItem(Kept(Place(number, kept.id), summary, event))


def ended(verdict: Verdict | None = None, event: Event | None = None) -> AttemptEnded:
    kept = event or an_event()
    delivery = Delivery(kept.id, "crm", DeliveryStatus.QUEUED, 0, 0, 0, NOW_MS)
    return AttemptEnded(kept, an_attempt(delivery), verdict or Delivered())


def an_attempt_item(verdict: Verdict | None = None, event: Event | None = None) -> AttemptItem:
    fact = ended(verdict, event)
    return AttemptItem(
        Ended(fact.attempt, fact.event.endpoint, fact.event.event_type, fact.verdict)
    )


def test_the_oldest_go_and_it_is_known_how_far_back_the_rest_reaches() -> None:
    ring = Ring(items_max=3)
    ring.begin(Place(10, "a"))
    items = [an_item(11), an_attempt_item(), an_item(12), an_attempt_item(), an_item(13)]
    for item in items[:3]:
        ring.add(item)
    assert (ring.start, ring.first, ring.lost) == (Place(10, "a"), 0, -1)
    ring.add(items[3])
    assert ring.start is not None
    assert (ring.start.number, ring.first, ring.lost) == (11, 1, -1)
    ring.add(items[4])
    assert (ring.start.number, ring.first, ring.lost) == (11, 2, 1)
    assert list(ring.after(0)) == items[2:]
    assert list(ring.after(4)) == items[4:]
    assert list(ring.after(ring.next)) == []


def test_bytes_are_bounded_too_even_by_one_item() -> None:
    ring = Ring(bytes_max=20_000)
    ring.begin(BEGINNING)
    for number in range(1, 4):
        ring.add(an_item(number, event=an_event(body=b"x" * 3000)))
    assert (ring.first, len(list(ring.after(0)))) == (2, 1)
    ring.add(an_item(4, event=an_event(body=b"x" * 20_000)))
    assert list(ring.after(0)) == []
    assert ring.start is not None
    assert ring.start.number == 4


def test_to_begin_anew_is_another_era_and_loses_attempts() -> None:
    ring = Ring()
    ring.begin(BEGINNING)
    ring.add(an_item(1))
    ring.begin(Place(1, "a"))
    assert (ring.era, ring.lost, ring.first) == (2, -1, 1)
    ring.add(an_attempt_item())
    ring.begin(Place(1, "a"))
    assert (ring.era, ring.lost, ring.first) == (3, 1, 2)


def test_while_nobody_follows_a_fact_is_one_comparison() -> None:
    watch = StreamWatch()
    watch.watch(ended())
    watch.watch(WebhookAnswered("my-slug", event=an_event()))
    assert (watch.take(), watch.wake.is_set()) == (([], False), False)


def test_while_somebody_follows_attempts_are_put_aside_without_bodies() -> None:
    watch = StreamWatch()
    watch.followed = True
    for fact in (LaneChanged("crm", "held", "x", 1), WebhookAnswered("x", error="invalid_json")):
        watch.watch(fact)
        assert not watch.wake.is_set()
    watch.watch(WebhookAnswered("my-slug", event=an_event()))
    assert watch.wake.is_set()
    fact = ended()
    watch.watch(fact)
    assert watch.take() == (
        [Ended(fact.attempt, fact.event.endpoint, fact.event.event_type, fact.verdict)],
        False,
    )
    for _ in range(ASIDE_MAX + 1):
        watch.watch(fact)
    taken, missed = watch.take()
    assert (len(taken), missed) == (ASIDE_MAX, True)
    assert watch.take() == ([], False)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, True),
        ({"endpoint": "my-slug"}, True),
        ({"endpoint": "other"}, False),
        ({"event_type": "opened"}, True),
        ({"event_type": "open"}, False),
        ({"status": EventStatus.RECEIVED}, True),
        ({"status": EventStatus.FILTERED}, False),
        ({"destination": "crm"}, True),
        ({"destination": "audit"}, True),
        ({"destination": "other"}, False),
        ({"delivery_status": DeliveryStatus.FAILED}, True),
        ({"delivery_status": DeliveryStatus.HELD}, False),
        ({"destination": "crm", "delivery_status": DeliveryStatus.FAILED}, False),
        ({"destination": "audit", "delivery_status": DeliveryStatus.FAILED}, True),
        ({"since_ms": NOW_MS}, True),
        ({"since_ms": NOW_MS + 1}, False),
    ],
)
def test_which_events_are_wanted(query: dict[str, Any], wanted: bool) -> None:
    item = an_item(1, crm=DeliveryStatus.SUCCESS, audit=DeliveryStatus.FAILED)
    assert item.is_wanted(Wanted(EventQuery(**query))) is wanted


@pytest.mark.parametrize(
    ("query", "verdicts"),
    [
        ({}, "success failed retrying"),
        ({"endpoint": "other"}, ""),
        ({"event_type": "other"}, ""),
        ({"status": EventStatus.RECEIVED}, "success failed retrying"),
        ({"status": EventStatus.FILTERED}, ""),
        ({"destination": "crm"}, "success failed retrying"),
        ({"destination": "other"}, ""),
        ({"delivery_status": DeliveryStatus.FAILED}, "failed"),
        ({"delivery_status": DeliveryStatus.RETRYING}, "retrying"),
        ({"search": "opened"}, ""),
    ],
)
def test_which_attempts_are_wanted(query: dict[str, Any], verdicts: str) -> None:
    items = {
        "success": an_attempt_item(Delivered()),
        "failed": an_attempt_item(Dead()),
        "retrying": an_attempt_item(RetryAt(NOW_MS)),
    }
    wanted = Wanted(EventQuery(**query), attempts=True)
    assert [n for n, item in items.items() if item.is_wanted(wanted)] == verdicts.split()
    assert not any(i.is_wanted(Wanted(EventQuery(**query))) for i in items.values())


def test_an_item_is_spelled_once_for_all() -> None:
    item = an_item(1, event=an_event())
    assert item.block(whole=True) is item.block(whole=True)
    assert item.block(whole=False) is item.block(whole=False)
    assert b'"headers"' in item.block(whole=True)
    assert b'"headers"' not in item.block(whole=False)
    attempt = an_attempt_item()
    assert attempt.block(whole=True) is attempt.block(whole=False)


class NoReads:
    """A store that must not be asked."""


async def test_who_falls_behind_is_told_that_attempts_were_missed() -> None:
    feed = Feed(NoReads(), StreamWatch(), FakeClock(), RecordingLog())  # type: ignore[arg-type]
    feed.ring = Ring(items_max=2)
    feed.ring.begin(BEGINNING)
    late, without = Follower(feed, ANY, BEGINNING), Follower(feed, Wanted(EventQuery()), BEGINNING)
    late._era = without._era = feed.ring.era
    items = [an_attempt_item() for _ in range(3)]
    for item in items:
        feed.ring.add(item)
    missed = MissedItem().block(whole=False)
    assert await late.next() == missed + items[1].block(whole=False) + items[2].block(whole=False)
    feed.ring.add(items[0])
    assert await late.next() == items[0].block(whole=False)  # said once
    waiting = asyncio.create_task(without.next())
    await asyncio.sleep(0)
    assert not waiting.done()  # it wants none, and has nothing to be told
    without.wake.set()
    assert await waiting == b""
