"""Where an event goes: the endpoint's filter, then each link's event types, filter and rules."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Final

from dispatchd.evaluate.evaluator import Evaluator, Fault, NoResult, Result, Value
from dispatchd.evaluate.first_match import first_match
from dispatchd.match import JsonataFilter, PlainFilter, Subject, subject_json, verdict_of
from dispatchd.receive.decision import Decision, LinkVerdict, TurnedAwayBy
from dispatchd.receive.routes import LinkRoute, Route

FILTERS_WAIT_S: Final = 2.0  # for all filters of an event; a sender waits for this
ENDPOINT_FILTER: Final = "the endpoint's filter"


async def choose(route: Route, subject: Subject, evaluator: Evaluator) -> Decision:
    """Judge an event. Waits only where a filter is JSONata, and once for all links together."""
    notes: list[str] = []
    asking: _Asking | None = None
    chosen = route.filter
    if isinstance(chosen, JsonataFilter):
        asking = _Asking(route, subject, evaluator)
        result = await asking.ask(chosen, route.slug)
        if not _passes(result, ENDPOINT_FILTER, notes):
            return Decision((), "filter", (), notes)
    elif chosen is not None and not chosen.lets_through(subject):
        return Decision((), "filter", (), notes)
    verdicts = [LinkVerdict(link.destination, _refusal(link, subject)) for link in route.links]
    asked = [
        place
        for place, link in enumerate(route.links)
        if isinstance(link.filter, JsonataFilter) and verdicts[place].turned_away_by is None
    ]
    if asked:
        asking = asking or _Asking(route, subject, evaluator)
        for place, result in zip(asked, await asking.ask_links(asked), strict=True):
            destination = verdicts[place].destination
            if not _passes(result, link_filter(destination), notes):
                verdicts[place] = LinkVerdict(destination, "filter")
    ruled = [
        place
        for place, link in enumerate(route.links)
        if link.rules and verdicts[place].turned_away_by is None
    ]
    if ruled:
        asking = asking or _Asking(route, subject, evaluator)
        for place, verdict in zip(ruled, await asking.ask_rules(ruled, notes), strict=True):
            verdicts[place] = verdict
    return _decided(verdicts, notes)


def _decided(verdicts: Sequence[LinkVerdict], notes: Sequence[str]) -> Decision:
    going = [v for v in verdicts if v.turned_away_by is None]
    filtered_by = None
    if verdicts and not going:
        filtered_by = ", ".join(f"{v.destination}: {turned_away_by(v)}" for v in verdicts)
    rules = {v.destination: v.rule for v in going if v.rule is not None}
    return Decision([v.destination for v in going], filtered_by, verdicts, notes, rules)


def turned_away_by(verdict: LinkVerdict) -> str | None:
    """Say what refused an event: `filter`, or `rule bots`."""
    if verdict.turned_away_by == "rule":
        return f"rule {verdict.rule}"
    return verdict.turned_away_by


def link_filter(destination: str) -> str:
    """Name a link's filter, as the notes do."""
    return f"the filter of the link to {destination}"


def _refusal(link: LinkRoute, subject: Subject) -> TurnedAwayBy | None:
    """Return what refuses an event at once; a JSONata filter is asked later."""
    if not link.wants(subject.event_type):
        return "event_types"
    if isinstance(link.filter, PlainFilter) and not link.filter.lets_through(subject):
        return "filter"
    return None


class _Asking:
    """The JSONata filters of one event: its document is spelled once, their time is one."""

    def __init__(self, route: Route, subject: Subject, evaluator: Evaluator) -> None:
        self._route = route
        self._subject = subject
        self._evaluator = evaluator
        self._spelled: bytes | None = None
        self._until_s = asyncio.get_running_loop().time() + FILTERS_WAIT_S

    async def ask(self, chosen: JsonataFilter, place: str) -> Result:
        """Ask one filter. `place` is where it stands: each has turns of its own."""
        wait_s = max(0.0, self._until_s - asyncio.get_running_loop().time())
        return await self._evaluator.evaluate(
            chosen.expression, self._document(), owner=f"filter of {place}", wait_s=wait_s
        )

    def _document(self) -> bytes:
        if self._spelled is None:
            self._spelled = subject_json(self._subject)
        return self._spelled

    async def ask_links(self, places: Sequence[int]) -> Sequence[Result]:
        """Ask the JSONata filters of some links at once; the evaluator never raises."""
        links = [self._route.links[place] for place in places]
        return await asyncio.gather(
            *(
                self.ask(link.filter, f"{self._route.slug}→{link.destination}")
                for link in links
                if isinstance(link.filter, JsonataFilter)
            )
        )

    async def ask_rules(self, places: Sequence[int], notes: list[str]) -> Sequence[LinkVerdict]:
        """Ask the rules of some links, all links at once and each link's in their order."""
        links = [self._route.links[place] for place in places]
        matches = await asyncio.gather(
            *(
                first_match(link.rules, self._subject, self._ask_rule, link.destination)
                for link in links
            )
        )
        verdicts = []
        for link, match in zip(links, matches, strict=True):
            notes += match.notes
            rule = match.rule
            verdict = LinkVerdict(link.destination, None, None if rule is None else rule.name)
            skips = rule is not None and rule.skip
            verdicts.append(replace(verdict, turned_away_by="rule") if skips else verdict)
        return verdicts

    def _ask_rule(self, chosen: JsonataFilter, name: str) -> Awaitable[Result]:
        return self.ask(chosen, f"{self._route.slug}: {name}")


def _passes(result: Result, name: str, notes: list[str]) -> bool:
    """Whether a filter lets an event through; one that failed does, and `notes` says so."""
    match result:
        case NoResult(reason=reason):
            notes.append(f"{name} failed: {reason}")
            return True
        case Fault(reason=reason):
            notes.append(f"{name} was not asked: {reason}")
            return True
        case Value(json=json):
            verdict = verdict_of(json)
            if verdict is None:
                notes.append(f"{name} failed: it yielded neither true nor false")
                return True
            return verdict
