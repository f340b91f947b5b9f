"""What every backend promises to people who ask for replays, through the protocol alone."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from asking import FAR_MS, MAX_BYTES, OpenStore, add, claimed, pruned
from nouns import NOW_MS, an_attempt, an_event
from replays import FAILED, replayed

from dispatchd.model import (
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Event,
    RetryAt,
    Sent,
)
from dispatchd.store import Store
from dispatchd.store.jobs import JobState, LinkTerms, ReplayQuery

ANYTHING: LinkTerms = {"event_types": [], "filters": [], "rules": []}


async def test_a_replay_starts_the_schedule_afresh_and_numbers_go_on(store: Store) -> None:
    event = an_event()
    (delivery,) = await add(store, event, "crm")
    await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    assert await claimed(store) == []
    assert await replayed(store, ReplayQuery([event.id]), FAR_MS) == 1
    (again,) = await claimed(store)
    assert (again.status, again.attempts, again.attempts_before) == ("queued", 1, 1)
    await store.record(again, an_attempt(again), Delivered())
    story = await store.get_event(event.id)
    assert story is not None
    assert [a.number for a in story.attempts] == [1, 2]


async def test_a_replay_wins_over_the_attempt_in_flight(store: Store) -> None:
    event = an_event()
    (in_flight,) = await add(store, event, "crm")
    assert await replayed(store, ReplayQuery([event.id]), FAR_MS) == 1
    await store.record(in_flight, an_attempt(in_flight), Delivered())
    (again,) = await claimed(store)
    assert (again.status, again.attempts, again.attempts_before) == ("queued", 1, 1)


async def test_a_replay_takes_each_delivery_once(store: Store) -> None:
    event = an_event()
    await add(store, event, "crm")
    assert await replayed(store, ReplayQuery([event.id, event.id, event.id.upper()]), FAR_MS) == 1
    assert await replayed(store, ReplayQuery([an_event().id]), FAR_MS) == 0
    (again,) = await claimed(store)
    assert again.replays == 1


async def test_replay_of_the_failed_is_narrowed(store: Store) -> None:
    for n in range(1200):
        event = an_event(received_ms=NOW_MS + n)
        for delivery in await add(store, event, "crm", "audit") if n < 3 else ():
            await store.record(delivery, an_attempt(delivery, error=ErrorClass.HTTP), Dead())
    assert (
        await replayed(
            store, ReplayQuery(statuses=FAILED, destination="crm", since_ms=NOW_MS + 1), FAR_MS
        )
        == 2
    )
    assert await replayed(store, ReplayQuery(statuses=FAILED, destination="gone"), FAR_MS) == 0
    assert await replayed(store, ReplayQuery(statuses=FAILED), FAR_MS) == 4
    assert await replayed(store, ReplayQuery(statuses=FAILED), FAR_MS) == 0


async def test_the_destinations_of_an_event_are_told_apart(store: Store) -> None:
    """Two destinations of one event never share attempts, verdicts or replays."""
    event = an_event()
    crm, audit = await add(store, event, "crm", "audit")
    await store.record(crm, an_attempt(crm, error=ErrorClass.HTTP), Dead())
    await store.record(audit, an_attempt(audit), Delivered())
    assert await replayed(store, ReplayQuery(statuses=FAILED), FAR_MS) == 1
    story = await store.get_event(event.id)
    assert story is not None
    assert {d.destination: (d.status, d.replays) for d in story.deliveries} == {
        "crm": ("queued", 1),
        "audit": ("success", 0),
    }


async def fail(store: Store, **fields: Any) -> Event:
    """Keep an event that failed at crm and is open at audit."""
    event = an_event(**fields)
    crm, _ = await add(store, event, "crm", "audit")
    await store.record(crm, an_attempt(crm, error=ErrorClass.HTTP), Dead())
    return event


async def looked_at(store: Store, query: ReplayQuery, limit: int = 500) -> list[tuple[str, str]]:
    """Return what a job would replay, page by page; and that it all has one end."""
    job = await store.draft_job(query, None, NOW_MS)
    found: list[tuple[str, str]] = []
    looked = 0
    while True:
        page = await store.choose(job, limit)
        assert len(page.candidates) < limit + 2
        found += [(one.event_id, one.destination) for one in page.candidates]
        looked += page.looked
        if page.ends:
            assert looked == job.total
            assert len(found) == len(set(found))
            return found
        job = replace(job, cursor=page.cursor)


@pytest.mark.parametrize("limit", [1, 2, 500])
async def test_what_is_asked_narrows_what_is_replayed(store: Store, limit: int) -> None:
    events = [
        await fail(store, received_ms=NOW_MS + n // 2, endpoint="ab"[n % 2], event_type=f"x.{n}")
        for n in range(6)
    ]
    ids = [event.id for event in events]
    crm, audit = [(one, "crm") for one in ids], [(one, "audit") for one in ids]
    both = [delivery for pair in zip(audit, crm, strict=True) for delivery in pair]
    queries = {
        ReplayQuery(): both,
        ReplayQuery(destination="audit"): audit,
        ReplayQuery(statuses=FAILED): crm,
        ReplayQuery(statuses=FAILED, destination="audit"): [],
        ReplayQuery(statuses=(DeliveryStatus.QUEUED,)): audit,
        ReplayQuery(statuses=(DeliveryStatus.SUCCESS,)): [],
        ReplayQuery(statuses=FAILED, endpoint="a"): crm[::2],
        ReplayQuery(statuses=FAILED, event_type="x.[24]"): [],
        ReplayQuery(statuses=FAILED, event_type="x.?"): crm,
        ReplayQuery(destination="crm", event_type="x.3"): [crm[3]],
        ReplayQuery(statuses=FAILED, since_ms=NOW_MS + 1, until_ms=NOW_MS + 2): crm[2:4],
        ReplayQuery(destination="crm", since_ms=NOW_MS + 1, until_ms=NOW_MS + 2): crm[2:4],
        ReplayQuery(event_ids=tuple(ids[1:3])): both[2:6],
        ReplayQuery(event_ids=tuple(ids), statuses=FAILED, endpoint="b"): crm[1::2],
        ReplayQuery(event_ids=(an_event().id,)): [],
    }
    for query, expected in queries.items():
        assert await looked_at(store, query, limit) == expected, query


async def test_a_replay_leaves_alone_what_comes_after_it(store: Store) -> None:
    """Also with the wall clock set back meanwhile: later is later received, not a later time."""
    event = await fail(store)
    job = await store.add_job(ReplayQuery(statuses=FAILED), None, NOW_MS)
    later = await fail(store, received_ms=NOW_MS - 5000)
    page = await store.choose(job, 500)
    assert [one.event_id for one in page.candidates] == [event.id]
    assert later.id not in {one.event_id for one in page.candidates}


async def test_of_two_who_run_a_job_one_does_each_batch(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]
    for _ in range(5):
        await fail(stores[0])
    await stores[0].add_job(ReplayQuery(statuses=FAILED), None, NOW_MS)

    async def run(store: Store) -> int:
        done = 0
        while jobs := await store.open_jobs():
            page = await store.choose(jobs[0], 1)
            moved = await store.advance(jobs[0], page, page.candidates, 0, NOW_MS)
            done += 0 if moved is None else len(page.candidates)
        return done

    counts = await asyncio.gather(*(run(store) for store in stores))
    assert sum(counts) == 5
    (job,) = await stores[0].find_jobs(9)
    assert (job.state, job.looked, job.replayed) == (JobState.DONE, 5, 5)
    due = await stores[0].claim("crm", FAR_MS, 10, MAX_BYTES)
    assert [delivery.replays for delivery, _ in due.ready] == [1] * 5


async def test_a_page_that_grew_old_replays_nothing_twice(store: Store) -> None:
    event = await fail(store)
    (settled,) = await add(store, an_event(), "crm")
    job = await store.add_job(ReplayQuery(), None, NOW_MS)
    slow = await store.add_job(ReplayQuery(statuses=(DeliveryStatus.QUEUED,)), None, NOW_MS)
    old, slow_page = await store.choose(job, 500), await store.choose(slow, 500)
    assert len(old.candidates) == 3
    assert await replayed(store, ReplayQuery([event.id]), NOW_MS) == 2
    moved = await store.advance(job, old, old.candidates, 0, NOW_MS)
    assert moved is not None
    assert moved.replayed == 1
    await store.record(settled, an_attempt(settled), Delivered())
    moved = await store.advance(slow, slow_page, slow_page.candidates, 0, NOW_MS)
    assert moved is not None
    assert moved.replayed == 0


async def test_a_job_ends_once_and_is_told_how_far_it_came(store: Store) -> None:
    for _ in range(3):
        await fail(store)
    query = ReplayQuery(
        statuses=FAILED, destination="crm", since_ms=1, filter={"body.a": [1]}, as_sent=True
    )
    added = await store.add_job(query, 2.5, NOW_MS)
    assert added.query == query
    assert (added.state, added.rate, added.total, added.created_ms) == ("queued", 2.5, 3, NOW_MS)
    page = await store.choose(added, 2)
    assert set(page.events) == {one.event_id for one in page.candidates}
    running = await store.advance(added, page, page.candidates[:1], 1, NOW_MS + 1)
    assert running is not None
    assert (running.state, running.started_ms, running.ended_ms) == ("running", NOW_MS + 1, None)
    assert (running.looked, running.replayed, running.undecided) == (2, 1, 1)
    assert await store.advance(added, page, page.candidates, 0, NOW_MS + 2) is None
    assert await store.open_jobs() == [running]
    assert await store.end_job(added.id, JobState.CANCELLED, NOW_MS + 3)
    assert not await store.end_job(added.id, JobState.FAILED, NOW_MS + 4, "late")
    assert not await store.end_job(99, JobState.FAILED, NOW_MS + 4)
    page = await store.choose(running, 2)
    assert await store.advance(running, page, page.candidates, 0, NOW_MS + 5) is None
    assert await store.open_jobs() == []
    (ended,) = await store.find_jobs(9)
    assert ended == await store.get_job(added.id)
    assert (ended.state, ended.ended_ms, ended.replayed) == ("cancelled", NOW_MS + 3, 1)
    assert await store.get_job(99) is None
    assert await pruned(store, NOW_MS + 3) == (0, 0)
    assert await store.find_jobs(9) == [ended]
    await pruned(store, NOW_MS + 4)
    assert await store.find_jobs(9) == []
    again = await store.add_job(query, None, NOW_MS)
    assert again.id > ended.id


async def test_bodies_for_a_filter_are_bounded_in_bytes(store: Store) -> None:
    for _ in range(5):
        await fail(store, body=b"x" * 2_500_000)
    job = await store.draft_job(ReplayQuery(statuses=FAILED, filter="true"), None, NOW_MS)
    page = await store.choose(job, 500)
    assert (len(page.events), page.looked, page.ends) == (2, 2, False)


async def test_what_was_sent_last_is_sent_again(open_store: OpenStore) -> None:
    store = await open_store()
    kept = an_event(body=b"original")
    (delivery,) = await add(store, kept, "crm")

    async def again(*, as_sent: bool = True) -> Delivery:
        await replayed(store, ReplayQuery([kept.id], as_sent=as_sent), NOW_MS)
        due = await store.claim("crm", FAR_MS, 1, MAX_BYTES)
        ((owed, event),) = due.ready
        assert event == kept
        return owed

    assert (await again()).as_sent == Sent(None)  # nothing else ever was
    store.release(delivery)
    for sent in (b"first", b"second"):
        now = await again(as_sent=False)
        assert now.as_sent is None
        await store.record(now, replace(an_attempt(now), sent=sent), Delivered())
    unsent = await again()
    assert unsent.as_sent == Sent(b"second")
    nothing = replace(an_attempt(unsent, error=ErrorClass.TRANSFORM))
    await store.record(unsent, nothing, RetryAt(NOW_MS))
    await store.close()
    store = await open_store()
    ((retried, _),) = (await store.claim("crm", FAR_MS, 1, MAX_BYTES)).ready
    assert retried.as_sent == Sent(b"second")
    await store.record(retried, an_attempt(retried), Delivered())  # the transform is gone
    last = await again()
    assert last.as_sent == Sent(None)
    story = await store.get_event(kept.id)
    assert story is not None
    assert {attempt.sent for attempt in story.attempts} == {None}


async def test_what_was_sent_counts_among_the_bytes_of_a_claim(store: Store) -> None:
    for _ in range(2):
        (delivery,) = await add(store, an_event(), "crm")
        await store.record(delivery, replace(an_attempt(delivery), sent=b"x" * 900), Delivered())
    await replayed(store, ReplayQuery(as_sent=True), NOW_MS)
    due = await store.claim("crm", FAR_MS, 10, 1000)
    assert (len(due.ready), due.more) == (1, True)
    assert due.next_bytes is not None
    assert 907 < due.next_bytes < 1000  # headers count too


async def test_deliveries_are_made_where_none_is_and_once(store: Store) -> None:
    owed, other = an_event(), an_event()
    (delivery,) = await add(store, owed, "crm")
    await store.record(delivery, an_attempt(delivery), Delivered())
    await add(store, other, "audit")
    links = {owed.endpoint: ANYTHING}
    elsewhere = ReplayQuery(to="crm", links={"another": ANYTHING})
    assert await replayed(store, elsewhere, FAR_MS) == 0
    # Two jobs that looked at the same time: the second finds that it is made.
    jobs = [await store.add_job(ReplayQuery(to="crm", links=links), None, NOW_MS) for _ in "12"]
    pages = [await store.choose(job, 500) for job in jobs]
    assert [[c.event_id for c in page.candidates] for page in pages] == [[other.id]] * 2
    done = [
        await store.advance(job, page, page.candidates, 0, NOW_MS)
        for job, page in zip(jobs, pages, strict=True)
    ]
    assert [job.replayed for job in done if job is not None] == [1, 0]
    assert await replayed(store, ReplayQuery([other.id], to="crm", links=links), FAR_MS) == 0
    (made,) = await claimed(store)
    assert (made.event_id, made.attempts, made.replays) == (other.id, 0, 1)


async def test_what_a_link_carries_is_kept_with_the_job(store: Store) -> None:
    terms: LinkTerms = {
        "event_types": [["a*"], ["*b"]],
        "filters": ["body.n = 1", {"body.n": [1, 2]}],
        "rules": [{"event_types": [], "filter": None, "skip": True}],
    }
    job = await store.add_job(ReplayQuery(to="crm", links={"x": terms}), None, NOW_MS)
    kept = await store.get_job(job.id)
    assert kept is not None
    assert kept.query == job.query
    assert kept.query.links == {"x": terms}
