"""Which of a link's rules matches an event first."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from dispatchd.evaluate.evaluator import Fault, NoResult, Result, Value
from dispatchd.match import JsonataFilter, Rule, Subject, verdict_of

Ask = Callable[[JsonataFilter, str], Awaitable[Result]]


class Match(NamedTuple):
    """The first rule that matches, None where none does.

    A rule whose filter fails, or could not be asked, does not match: `notes` say so, and
    `fault` is the first of our own.
    """

    rule: Rule | None
    notes: Sequence[str] = ()
    fault: Fault | None = None


async def first_match(rules: Sequence[Rule], subject: Subject, ask: Ask, link: str) -> Match:
    """Ask the rules of a link in their order. `link` names it; `ask` evaluates a JSONata filter.

    Waits only for JSONata.
    """
    notes: list[str] = []
    fault: Fault | None = None
    for rule in rules:
        if not rule.wants(subject.event_type):
            continue
        if isinstance(rule.filter, JsonataFilter):
            name = f"rule {rule.name} of the link to {link}"
            result = await ask(rule.filter, name)
            if isinstance(result, Fault):
                fault = fault or result
            matches = _says_yes(result, name, notes)
        else:
            matches = rule.filter is None or rule.filter.lets_through(subject)
        if matches:
            return Match(rule, notes, fault)
    return Match(None, notes, fault)


def _says_yes(result: Result, name: str, notes: list[str]) -> bool:
    """Whether a rule matches by its filter; one that failed does not, and `notes` say so."""
    match result:
        case Value(json=yielded):
            verdict = verdict_of(yielded)
            if verdict is None:
                notes.append(f"{name} failed: it yielded neither true nor false")
            return verdict is True
        case NoResult(reason=reason):
            notes.append(f"{name} failed: {reason}")
        case Fault(reason=reason):
            notes.append(f"{name} was not asked: {reason}")
    return False
