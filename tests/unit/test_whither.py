"""Where an event goes, with an evaluator that says what it is told to."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from multidict import CIMultiDict
from patience import HANG_S

from dispatchd.config import parse
from dispatchd.evaluate.evaluator import Fault, NoResult, Result, Value
from dispatchd.match import Subject
from dispatchd.plan.compiling import route_spec
from dispatchd.receive.decision import Decision
from dispatchd.receive.routes import compile_route
from dispatchd.receive.whither import FILTERS_WAIT_S, choose

CONFIG = """
endpoints:
  a:
    auth: none
    body: any
    filter: {filter}
    destinations:
      - {{to: x, filter: '"x"'}}
      - {{to: plain, filter: {{body.n: 1}}}}
      - {{to: y, filter: '"y"'}}
      - {{to: never, event_types: [other], filter: '"never"'}}
      - {{to: z, filter: '"z"'}}
destinations:
  x: &d {{url: 'http://h'}}
  plain: *d
  y: *d
  never: *d
  z: *d
"""
TRUE, FALSE = Value(b"true"), Value(b"false")


class Told:
    """An evaluator that answers as `answer` says and remembers what it was asked."""

    def __init__(self, answer: Callable[[str], Result], *, at_once: int = 1) -> None:
        self.asked: list[tuple[str, bytes, str, float]] = []
        self._answer = answer
        self._all_here = asyncio.Barrier(at_once)

    async def evaluate(
        self, expression: str, document: bytes, *, owner: str, wait_s: float
    ) -> Result:
        self.asked.append((expression, document, owner, wait_s))
        await self._all_here.wait()
        return self._answer(expression)


async def judged(
    told: Told, *, body: bytes = b'{"n":1}', chosen: str = "'true'", content_type: str = ""
) -> Decision:
    route = compile_route(route_spec(parse(CONFIG.format(filter=chosen)), "a"))
    headers: Any = CIMultiDict({"Content-Type": content_type})
    document = json.loads(body) if body.startswith(b"{") else None
    as_it_came = body if document is not None else b"null"
    subject = Subject("push", headers, document, "::1", as_it_came)
    return await choose(route, subject, told)  # type: ignore[arg-type]


async def test_an_events_filters_are_asked_at_once_over_one_document() -> None:
    """They were asked one after another, and the body was spelled for each."""
    told = Told(lambda _: TRUE, at_once=3)
    async with asyncio.timeout(HANG_S):
        decision = await judged(told, chosen="{body.n: 1}")
    assert decision.destinations == ["x", "plain", "y", "z"]
    assert len({id(document) for _, document, _, _ in told.asked}) == 1
    assert json.loads(told.asked[0][1]) == {
        "event_type": "push",
        "headers": {"Content-Type": "", "content-type": ""},
        "source_ip": "::1",
        "body": {"n": 1},
    }


async def test_each_filter_has_turns_of_its_own_and_all_have_one_wait() -> None:
    told = Told(lambda _: TRUE)
    await judged(told)
    owners = [owner for _, _, owner, _ in told.asked]
    assert owners == ["filter of a", "filter of a→x", "filter of a→y", "filter of a→z"]
    waits = [wait_s for _, _, _, wait_s in told.asked]
    assert waits == sorted(waits, reverse=True)
    assert all(0 < wait_s <= FILTERS_WAIT_S for wait_s in waits)


async def test_no_evaluator_is_asked_where_nothing_is_jsonata() -> None:
    told = Told(lambda _: FALSE)
    decision = await judged(told, chosen="{body.n: 2}")
    assert (decision.filtered_by, decision.destinations, told.asked) == ("filter", (), [])


async def test_the_endpoints_filter_spares_the_links_theirs() -> None:
    told = Told(lambda _: FALSE)
    decision = await judged(told)
    assert decision.filtered_by == "filter"
    assert len(told.asked) == 1


async def test_what_turns_an_event_away_is_named_link_by_link() -> None:
    decision = await judged(Told(lambda e: TRUE if e == "true" else FALSE), body=b'{"n":2}')
    assert (
        decision.filtered_by == "x: filter, plain: filter, y: filter, never: event_types, z: filter"
    )


async def test_a_filter_that_failed_or_was_not_asked_lets_the_event_through() -> None:
    answers = {
        "true": TRUE,
        '"x"': NoResult("T2001"),
        '"y"': Fault("no process"),
        '"z"': Value(b"1"),
    }
    decision = await judged(Told(lambda e: answers[e]))
    assert decision.destinations == ["x", "plain", "y", "z"]
    assert decision.notes == [
        "the filter of the link to x failed: T2001",
        "the filter of the link to y was not asked: no process",
        "the filter of the link to z failed: it yielded neither true nor false",
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "seen"),
    [
        (b'{"n":1e400,"n":123456789012345678901}', "", b'{"n":1e400,"n":123456789012345678901}'),
        (b"<xml/>", "text/xml", b"null"),
        (b'{"n":1}', "application/json", b'{"n":1}'),
    ],
)
async def test_a_filter_sees_the_body_as_it_came(
    body: bytes, content_type: str, seen: bytes
) -> None:
    told = Told(lambda _: TRUE)
    await judged(told, body=body, content_type=content_type)
    assert told.asked[0][1].endswith(b',"body":' + seen + b"}")
