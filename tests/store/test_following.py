"""What every backend promises of the live view: in the order of commits, no gap, nothing twice."""

from asking import add, pruned
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.clock import new_id
from dispatchd.model import Dead, Delivered, DeliveryStatus, ErrorClass, EventStatus
from dispatchd.store import Store, reads_from_url
from dispatchd.store.base import EventQuery
from dispatchd.store.following import BEGINNING, NO_EVENT, Place, Reading

ALL = EventQuery()


async def read_on(
    store: Store, place: Place, query: EventQuery = ALL, reading: Reading | None = None
) -> tuple[list[str], Place]:
    """Read to the end; return the ids and where that is."""
    found: list[str] = []
    more = True
    while more:
        page = await store.follow_events(place, query, reading or Reading())
        found += [kept.summary.id for kept in page.kept]
        place, more = page.place, page.more
    return found, place


async def test_events_come_in_the_order_of_commits(store: Store) -> None:
    older, newer = an_event(), an_event()
    await store.add_event(newer, [])
    await store.add_event(older, [])  # its id is the smaller one: it took longer
    found, place = await read_on(store, BEGINNING)
    assert found == [newer.id, older.id]
    assert place == await store.newest_place() == await store.place_of(older.id)
    assert await read_on(store, await store.place_of(newer.id)) == ([older.id], place)
    assert await read_on(store, place) == ([], place)


async def test_nothing_is_missed_and_nothing_told_twice_whatever_the_bounds(store: Store) -> None:
    ids = []
    for n in range(2300):  # more than a window
        event = an_event(event_type="rare" if n % 700 == 0 else "often")
        await store.add_event(event, [])
        ids.append(event.id)
    place = await store.newest_place()
    for reading in (Reading(), Reading(limit=7), Reading(most_bytes=20, whole_bytes=100)):
        assert await read_on(store, BEGINNING, reading=reading) == (ids, place)
    assert await read_on(store, BEGINNING, EventQuery(event_type="rare")) == (ids[::700], place)
    assert await read_on(store, BEGINNING, EventQuery(event_type="none")) == ([], place)


async def test_a_look_with_a_rare_match_has_an_end(store: Store) -> None:
    for _ in range(2001):
        await store.add_event(an_event(), [])
    page = await store.follow_events(BEGINNING, EventQuery(event_type="none"), Reading())
    assert (page.kept, page.more, page.place.number) == ([], True, 2000)


async def test_an_empty_store_has_a_place(store: Store) -> None:
    assert await store.newest_place() == BEGINNING
    assert await store.place_of(new_id()) == BEGINNING
    assert await store.place_since(0) == BEGINNING
    page = await store.follow_events(BEGINNING, ALL, Reading())
    assert (page.kept, page.place, page.more) == ((), BEGINNING, False)
    event = an_event()
    await store.add_event(event, [])
    assert await read_on(store, BEGINNING) == ([event.id], Place(1, event.id))


async def test_whole_events_come_up_to_a_size_and_what_proves_never(store: Store) -> None:
    small = an_event(body=b"\xff" * 10, forward_headers=(("X-Hub-Signature-256", "sha256=x"),))
    large = an_event(body=b"x" * 11)
    for event in (small, large):
        await store.add_event(event, ["crm"])
    page = await store.follow_events(BEGINNING, ALL, Reading(whole_bytes=10))
    first, second = page.kept
    assert first.event is not None
    assert (first.event.body, first.event.headers) == (small.body, small.headers)
    assert first.event.forward_headers == ()
    assert second.event is None
    assert second.summary.body_bytes == 11
    assert second.summary.statuses == {"crm": DeliveryStatus.QUEUED}
    without = await store.follow_events(BEGINNING, ALL, Reading())
    assert [kept.event for kept in without.kept] == [None, None]


async def test_every_filter_of_a_listing_counts(store: Store) -> None:
    one = an_event(endpoint="a", event_type="x", status=EventStatus.FILTERED, received_ms=5)
    two = an_event(endpoint="b", event_type="y", body=b'"needle"')
    three = an_event(endpoint="b", event_type="z")
    await store.add_event(one, [])
    (done,) = await add(store, two, "crm")
    await add(store, three, "audit")
    await store.record(done, an_attempt(done, error=ErrorClass.HTTP), Dead())
    for query, expected in (
        (EventQuery(endpoint="b"), [two.id, three.id]),
        (EventQuery(event_type="x"), [one.id]),
        (EventQuery(status=EventStatus.FILTERED), [one.id]),
        (EventQuery(destination="audit"), [three.id]),
        (EventQuery(delivery_status=DeliveryStatus.FAILED), [two.id]),
        (EventQuery(since_ms=6), [two.id, three.id]),
        (EventQuery(search="needle"), [two.id]),
        (EventQuery(limit=1, before_id=one.id, from_id=three.id), [one.id, two.id, three.id]),
    ):
        assert (await read_on(store, BEGINNING, query))[0] == expected, query


async def test_since_a_time_is_from_whoever_was_kept_first(store: Store) -> None:
    old = an_event(received_ms=NOW_MS - 120_000)
    late = an_event(received_ms=NOW_MS)  # committed before one that was received before it
    early = an_event(received_ms=NOW_MS - 5)
    for event in (old, late, early):
        await store.add_event(event, [])
    place = await store.place_since(NOW_MS - 5)
    assert (await read_on(store, place))[0] == [late.id, early.id]
    assert (await read_on(store, await store.place_since(0)))[0] == [old.id, late.id, early.id]
    assert await store.place_since(NOW_MS + 1) == await store.newest_place()


async def test_a_place_whose_event_was_pruned_goes_on_behind_it(store: Store) -> None:
    first = an_event(received_ms=1)
    await store.add_event(first, [])
    place = await store.newest_place()
    second = an_event()
    await store.add_event(second, [])
    assert await pruned(store, 2) == (1, 0)
    assert (await read_on(store, place))[0] == [second.id]
    assert (await read_on(store, await store.place_of(first.id)))[0] == [second.id]


async def test_numbers_that_are_given_again_hide_nothing(store: Store) -> None:
    """A table that lost its last rows gives their numbers again; one row stays: it failed."""
    failed = an_event(received_ms=1)
    (delivery,) = await add(store, failed, "crm")
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    for _ in range(3):
        await store.add_event(an_event(received_ms=1), [])
    place = await store.newest_place()
    assert await pruned(store, 2, 1) == (3, 1)
    assert await read_on(store, place) == ([], await store.newest_place())
    again = an_event()
    await store.add_event(again, [])
    assert (await store.newest_place()).number <= place.number
    assert (await read_on(store, place))[0] == [again.id]
    more = [an_event() for _ in range(5)]
    for event in more:
        await store.add_event(event, [])
    assert (await read_on(store, place))[0] == [again.id, *(event.id for event in more)]


async def test_any_id_is_a_place(store: Store) -> None:
    event = an_event()
    await store.add_event(event, [])
    assert await store.place_of(NO_EVENT) == BEGINNING
    assert (await store.place_of("ffffffff-ffff-ffff-ffff-ffffffffffff")).event_id == event.id


async def test_who_only_reads_follows_too(store: Store, store_url: str) -> None:
    reads = reads_from_url(store_url)
    await reads.open()
    event = an_event()
    (delivery,) = await add(store, event, "crm")
    await store.record(delivery, an_attempt(delivery), Delivered())
    (kept,) = (await reads.follow_events(BEGINNING, ALL, Reading())).kept
    assert kept.summary.statuses == {"crm": DeliveryStatus.SUCCESS}
    await reads.close()


async def test_progress_is_the_story_without_the_body(store: Store) -> None:
    event, other = an_event(), an_event()
    (delivery,) = await add(store, event, "crm")
    await add(store, other, "audit")
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    found = await store.progress([event.id, other.id, new_id()])
    for one in (event, other):
        story = await store.get_event(one.id)
        assert story is not None
        assert found[one.id].deliveries == story.deliveries
        assert found[one.id].attempts == story.attempts
    assert [len(progress.attempts) for progress in found.values()] == [1, 0, 0]
