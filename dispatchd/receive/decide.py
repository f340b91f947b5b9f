"""Where an event goes: the endpoint's filter, then each link's event types and filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from dispatchd.expressions.pool import Expressions, NoResult
from dispatchd.match import Filter, PlainFilter, Subject, subject_json, verdict_of
from dispatchd.receive.routes import LinkRoute, Route

TurnedAwayBy = Literal["event_types", "filter"]

FILTER_WAIT_S: Final = 2.0  # a sender waits for this; then the filter counts as failed
ENDPOINT_FILTER: Final = "the endpoint's filter"


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """What one link said: `turned_away_by` names what refused the event, None when it goes on."""

    destination: str
    turned_away_by: TurnedAwayBy | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an event goes; `filtered_by` says what kept it from going anywhere.

    `notes` are filters that failed, and therefore let the event through.
    """

    destinations: Sequence[str]
    filtered_by: str | None
    links: Sequence[LinkVerdict]
    notes: Sequence[str]


async def decide(route: Route, subject: Subject, expressions: Expressions) -> Decision:
    """Judge an event. Waits only where a filter is JSONata."""
    notes: list[str] = []
    asking = _Asking(subject, expressions, route.slug, notes)
    if route.filter is not None and not await _lets_through(route.filter, asking, ENDPOINT_FILTER):
        return Decision((), "filter", (), notes)
    verdicts = [
        LinkVerdict(link.destination, await _turned_away_by(link, asking)) for link in route.links
    ]
    destinations = [v.destination for v in verdicts if v.turned_away_by is None]
    filtered_by = None
    if verdicts and not destinations:
        filtered_by = ", ".join(f"{v.destination}: {v.turned_away_by}" for v in verdicts)
    return Decision(destinations, filtered_by, verdicts, notes)


def link_filter(destination: str) -> str:
    """Name a link's filter, as the notes do."""
    return f"the filter of the link to {destination}"


async def _turned_away_by(link: LinkRoute, asking: "_Asking") -> TurnedAwayBy | None:
    if not link.wants(asking.subject.event_type):
        return "event_types"
    if link.filter is None:
        return None
    name = link_filter(link.destination)
    passes = await _lets_through(link.filter, asking, name)
    return None if passes else "filter"


class _Asking(NamedTuple):
    """What every filter of one event is asked with."""

    subject: Subject
    expressions: Expressions
    owner: str
    notes: list[str]


async def _lets_through(chosen: Filter, asking: _Asking, name: str) -> bool:
    """Ask one filter; one that fails lets the event through and says so in `notes`."""
    subject, expressions, owner, notes = asking
    if isinstance(chosen, PlainFilter):
        return chosen.lets_through(subject)
    try:
        data = subject_json(subject)
    except (TypeError, ValueError):
        notes.append(f"{name} failed: the body holds what JSON cannot carry on")
        return True
    result = await expressions.evaluate(chosen.expression, data, owner=owner, wait_s=FILTER_WAIT_S)
    if isinstance(result, NoResult):
        notes.append(f"{name} failed: {result.reason}")
        return True
    verdict = verdict_of(result.json)
    if verdict is None:
        notes.append(f"{name} failed: it yielded neither true nor false")
        return True
    return verdict
