"""Whether a link carries an event, by the terms that a job has of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dispatchd.evaluate.evaluator import Fault
from dispatchd.match import Filter, compile_event_types, compile_filter
from dispatchd.store.jobs import LinkTerms

# Asks a filter about the event: None where it says neither true nor false.
Ask = Callable[[Filter], Awaitable[bool | Fault | None]]


async def carries(terms: LinkTerms, event_type: str | None, ask: Ask) -> bool | Fault | None:
    """Whether the link carries an event of this type; None where a filter cannot tell.

    As a webhook is judged, but that what cannot be told is left out: it can be asked for again.
    """
    if not all(compile_event_types(globs)(event_type) for globs in terms["event_types"]):
        return False
    for chosen in terms["filters"]:
        verdict = await _asked(chosen, ask)
        if verdict is not True:
            return verdict
    for rule in terms["rules"]:
        if not compile_event_types(rule["event_types"])(event_type):
            continue
        verdict = True if rule["filter"] is None else await _asked(rule["filter"], ask)
        if isinstance(verdict, Fault):
            return verdict
        if verdict:
            return not rule["skip"]
    return True


async def _asked(chosen: str | Mapping[str, Any], ask: Ask) -> bool | Fault | None:
    compiled = compile_filter(chosen)
    return True if compiled is None else await ask(compiled)
