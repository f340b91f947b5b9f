"""What every backend promises of refused requests, through the protocol alone."""

from dataclasses import replace

import pytest
from asking import pruned
from nouns import NOW_MS

from dispatchd.store import Store
from dispatchd.store.counts import HOUR_S, MINUTE_S
from dispatchd.store.refused import Answered, RefusedQuery, RefusedRequest

MINUTE = NOW_MS // 60_000


def a_refused(**changes: object) -> RefusedRequest:
    one = RefusedRequest(
        endpoint="a",
        slug="a",
        at_ms=NOW_MS,
        method="POST",
        status=401,
        reason="invalid_signature",
        message="no",
        source_ip="203.0.113.9",
        headers=(("X-Kept", "é"), ("X-Hub-Signature-256", "***")),
        body_bytes=3,
        body=b"\xff\x00a",
    )
    return replace(one, **changes)  # type: ignore[arg-type]


async def kept(store: Store, *requests: RefusedRequest, most: int = 10) -> None:
    await store.keep_refused(requests, {(r.endpoint, r.reason): most for r in requests}, {})


async def test_it_is_kept_as_it_was(store: Store) -> None:
    await kept(store, a_refused())
    (found,) = await store.find_refused(RefusedQuery())
    assert replace(found, id=0) == a_refused()
    assert await store.get_refused(found.id) == found
    assert await store.get_refused(found.id + 1) is None
    assert await store.get_refused(found.id - 1) is None


async def test_the_last_of_each_endpoint_and_reason_stay(store: Store) -> None:
    for n in range(5):
        await kept(store, a_refused(at_ms=NOW_MS + n), a_refused(endpoint=None), most=3)
    await kept(store, a_refused(reason="too_large"), most=3)
    found = await store.find_refused(RefusedQuery(endpoint="a", reason="invalid_signature"))
    assert [one.at_ms - NOW_MS for one in found] == [4, 3, 2]
    assert len(await store.find_refused(RefusedQuery())) == 7
    await kept(store, a_refused(at_ms=NOW_MS + 9), most=1)  # as it says by now
    found = await store.find_refused(RefusedQuery(endpoint="a", reason="invalid_signature"))
    assert [one.at_ms - NOW_MS for one in found] == [9]


async def test_they_are_found_by_what_is_asked(store: Store) -> None:
    await kept(store, a_refused(), a_refused(endpoint=None, slug="b"), a_refused(at_ms=1))
    old, nobody, first = await store.find_refused(RefusedQuery())
    queries = {
        RefusedQuery(endpoint=""): [nobody],
        RefusedQuery(endpoint="a"): [old, first],
        RefusedQuery(since_ms=2): [nobody, first],
        RefusedQuery(reason="timeout"): [],
        RefusedQuery(before=old.id): [nobody, first],
        RefusedQuery(limit=1): [old],
    }
    for query, expected in queries.items():
        assert await store.find_refused(query) == expected, query


@pytest.mark.parametrize("text", ["\ud800", "\x00", "é" * 200])
async def test_whatever_a_sender_writes_can_be_kept(store: Store, text: str) -> None:
    await kept(store, a_refused(slug=text, endpoint=None, headers=((text, text),), method="X"))
    assert len(await store.find_refused(RefusedQuery())) == 1


async def test_answers_are_counted_with_them(store: Store) -> None:
    nobody = Answered(MINUTE, None, "unknown_endpoint")
    await store.keep_refused([], {}, {nobody: 2, Answered(MINUTE, "a", "duplicate"): 1})
    await store.keep_refused([], {}, {nobody: 3})
    for span_s in (MINUTE_S, HOUR_S):
        counted = await store.counts(span_s, NOW_MS, NOW_MS + 1)
        assert {(c.endpoint, c.result): c.count for c in counted.endpoints} == {
            (None, "unknown_endpoint"): 5,
            ("a", "duplicate"): 1,
        }


async def test_they_go_with_the_events_of_their_time(store: Store) -> None:
    await kept(store, a_refused(), a_refused(at_ms=NOW_MS - 10))
    await pruned(store, NOW_MS)
    assert [one.at_ms for one in await store.find_refused(RefusedQuery())] == [NOW_MS]


async def test_a_page_holds_few_large_bodies(store: Store) -> None:
    """A thousand of those that strangers sent would be 64 MiB at once."""
    await kept(store, *(a_refused(body=b"x" * 1000) for _ in range(10)))
    every = await store.find_refused(RefusedQuery())
    assert len(every) == 10
    page = await store.find_refused(RefusedQuery(bodies_max_bytes=2500))
    assert list(page) == list(every[:3])
    rest = await store.find_refused(RefusedQuery(bodies_max_bytes=1, before=page[-1].id))
    assert list(rest) == list(every[3:4])  # at least one
