"""What every backend promises of bounded looks: page by page, nothing twice, nothing missed."""

import asyncio
import threading

import pytest
from asking import OpenStore, add
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.errors import StoreUnavailable
from dispatchd.model import Delivered, DeliveryStatus
from dispatchd.store import Store, reads_from_url
from dispatchd.store.base import DeliveryQuery, EventQuery


@pytest.mark.parametrize("most_ms", [0, 10_000])
async def test_pages_hold_everything_once(store: Store, most_ms: int) -> None:
    ids = []
    for n in range(1203):
        event = an_event(event_type="rare" if n % 400 == 0 else "often")
        await store.add_event(event, ["crm", "audit"] if n % 2 else ["crm"])
        ids.append(event.id)
    for query, expected in (
        (EventQuery(limit=7), ids),
        (EventQuery(event_type="rare", limit=2), ids[::400]),
        (EventQuery(destination="audit", limit=1000), ids[1::2]),
    ):
        found: list[str] = []
        before: str | None = None
        while True:
            asked = EventQuery(
                event_type=query.event_type,
                destination=query.destination,
                limit=query.limit,
                before_id=before,
            )
            page = await store.browse_events(asked, most_ms)
            assert len(page.events) <= query.limit
            found += [event.id for event in page.events]
            before = page.next_id
            if before is None:
                break
        assert found == expected[::-1]


async def test_a_look_has_an_end(store: Store) -> None:
    for _ in range(1001):
        await store.add_event(an_event(), [])
    page = await store.browse_events(EventQuery(event_type="none"), 0)
    assert page.events == []
    assert page.next_id is not None  # there is more to look at


async def test_a_search_reads_few_large_bodies_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty of the largest would take seconds, and hold everybody else up who asks."""
    monkeypatch.setattr("dispatchd.store.sqlite.searching.SEARCHED_MAX_BYTES", 2500)
    events = [an_event(body=b"x" * 1000) for _ in range(10)]
    for event in events:
        await store.add_event(event, [])
    query = EventQuery(search="nothing")
    page = await store.browse_events(query, 0)
    assert (page.events, page.next_id) == ([], events[-3].id)
    monkeypatch.setattr("dispatchd.store.sqlite.searching.SEARCHED_MAX_BYTES", 1)
    assert (await store.browse_events(query, 0)).next_id == events[-1].id
    found = await store.browse_events(EventQuery(search="x"), 10_000)
    assert [event.id for event in found.events] == [event.id for event in reversed(events)]


async def test_what_is_too_old_is_not_looked_at(store: Store) -> None:
    old = an_event(received_ms=NOW_MS - 10**9)
    await store.add_event(old, [])
    for _ in range(500):
        await store.add_event(an_event(received_ms=NOW_MS - 10**9), [])
    page = await store.browse_events(EventQuery(since_ms=NOW_MS), 0)
    assert (page.events, page.next_id) == ([], None)


@pytest.mark.parametrize("text", ["needle", 'é"', "\ud800", "%", "_"])
async def test_types_and_bodies_are_searched(store: Store, text: str) -> None:
    spelled = text.encode("utf-8", "replace")
    in_body = an_event(body=b'{"a": "' + spelled + b'"}')
    in_type = an_event(event_type=f"a {spelled.decode()} b")
    for event in (in_body, in_type, an_event(event_type=None, body=b"\xff")):
        await store.add_event(event, [])
    found = await store.browse_events(EventQuery(search=text), 1000)
    assert [event.id for event in found.events] == [in_type.id, in_body.id]


async def test_deliveries_by_destination_and_status(store: Store) -> None:
    first, second = an_event(), an_event()
    (_, done) = await add(store, first, "audit", "crm")
    await store.record(done, an_attempt(done), Delivered())
    await add(store, second, "crm")

    async def found(**query: object) -> list[tuple[str, str]]:
        page = await store.browse_deliveries(DeliveryQuery(**query), 1000)  # type: ignore[arg-type]
        return [(d.event_id, d.destination) for d in page.deliveries]

    assert await found() == [(second.id, "crm"), (first.id, "audit"), (first.id, "crm")]
    assert await found(destination="crm") == [(second.id, "crm"), (first.id, "crm")]
    assert await found(status=DeliveryStatus.SUCCESS) == [(first.id, "crm")]
    assert await found(limit=2) == [(second.id, "crm"), (first.id, "audit"), (first.id, "crm")]
    assert await found(before_id=second.id, limit=1) == [(first.id, "audit"), (first.id, "crm")]
    await store.open_lanes(["crm"])
    assert await found(status=DeliveryStatus.HELD) == [(first.id, "audit")]


async def test_who_only_reads_sees_what_is_kept_and_changes_nothing(
    store: Store, store_url: str, open_store: OpenStore
) -> None:
    event = an_event()
    await add(store, event, "crm")
    await store.keep_time(NOW_MS, 5000)  # the schedule's own time is told as everybody's
    reads = reads_from_url(store_url)
    await reads.open()
    story = await reads.get_event(event.id)
    assert story == await store.get_event(event.id)
    assert story is not None
    assert story.deliveries[0].due_ms == NOW_MS - 5000
    assert await reads.lanes() == await store.lanes()
    assert await reads.stats(0) == await store.stats(0)
    await reads.close()
    with pytest.raises(StoreUnavailable):
        await reads.find_jobs(1)


async def test_who_gave_up_on_questions_does_not_keep_others_waiting_for_all_of_them(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client with a short patience asks again and again; what it gave up still has its turn."""
    monkeypatch.setattr("dispatchd.store.sqlite.QUESTIONS_MAX", 3)
    reads = reads_from_url(store_url)
    await reads.open()
    release = threading.Event()
    asked = [asyncio.ensure_future(reads._ask(lambda _: release.wait()))]  # type: ignore[attr-defined]
    asked += [asyncio.ensure_future(reads.find_jobs(1)) for _ in range(10)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    refused = [one.exception() for one in done]
    assert {getattr(error, "reason", None) for error in refused} == {"overloaded"}
    assert 7 <= len(refused) <= 8  # it may have taken the first one already
    release.set()
    await asyncio.wait(asked)
    assert await reads.find_jobs(1) == []
    await reads.close()
