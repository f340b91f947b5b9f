"""What an alert says, and its event: pure.

The body is JSON with `title`, `description` and `fields`, from which any kind of destination can
make a message, and `advice`: the command to go on with.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from dispatchd.alert.spec import AlertSpec
from dispatchd.alert_kinds import ALERTS, ALERTS_ID, AlertKind
from dispatchd.frozen import frozen
from dispatchd.limits import Rate
from dispatchd.model import Event, EventStatus
from dispatchd.spelling import iso, plural, size, span
from dispatchd.store.alerts import AlertNote, LaneTotals, LastFailure, Waiting

EVENT_TYPE: Final = "dispatchd.alert."
_SEVERITIES: Final[Mapping[str, str]] = {
    AlertKind.LANE_RECOVERED: "success",
    AlertKind.BACKLOG: "warning",
    AlertKind.SOURCE_ERRORS: "warning",
    AlertKind.DISK_LOW: "warning",
    AlertKind.QUIET: "warning",
    "test": "info",
}
_RATE_UNITS: Final = ((1, "s"), (60, "m"), (3600, "h"))


@frozen
class Occasion:
    """What there is to tell, and what is known of it. `note` is as it was before."""

    spec: AlertSpec
    note: AlertNote
    now_ms: int
    totals: LaneTotals = LaneTotals()
    failure: LastFailure | None = None
    waiting: Waiting | None = None
    waiting_bound: int = 0
    free_bytes: int = 0
    fault: str = ""


@frozen
class Said:
    """An alert in words. `since_ms` (Unix ms) is where what it tells of began."""

    title: str
    description: str
    advice: str
    fields: tuple[tuple[str, str], ...]
    since_ms: int


def alert_body(occasion: Occasion) -> bytes:
    """Return an alert's body."""
    note = occasion.note
    said = _SAID[note.kind](occasion)
    about = {} if not note.subject else {_about(note.kind): note.subject}
    return _body(note.kind.value, about, said, note.pending)


def check_body(to: str, now_ms: int) -> bytes:
    """Return the body of an alert that only shows that alerts arrive."""
    said = Said(
        "This is a test alert",
        f"Alerts to {to} arrive. Nothing has happened.",
        "dispatchd alerts",
        (),
        now_ms,
    )
    return _body("test", {}, said, 1)


def _about(kind: AlertKind) -> str:
    return "endpoint" if kind in (AlertKind.SOURCE_ERRORS, AlertKind.QUIET) else "destination"


def _body(kind: str, about: Mapping[str, str], said: Said, count: int) -> bytes:
    document: dict[str, Any] = {
        "kind": kind,
        **about,
        "severity": _SEVERITIES.get(kind, "failure"),
        "title": said.title,
        "description": said.description,
        "count": count,
        "since": iso(said.since_ms),
        "advice": said.advice,
        "fields": [{"name": name, "value": value} for name, value in said.fields],
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def alert_event(event_id: str, kind: str, body: bytes, now_ms: int) -> Event:
    """Return the event of an alert: one like any other, of an endpoint that nobody posts to."""
    return Event(
        id=event_id,
        endpoint=ALERTS,
        endpoint_id=ALERTS_ID,
        received_ms=now_ms,
        event_type=f"{EVENT_TYPE}{kind}",
        source_ip=None,
        status=EventStatus.RECEIVED,
        filtered_by=None,
        content_type="application/json",
        headers=(),
        body=body,
    )


def _since_ms(one: Occasion) -> int:
    return one.now_ms if one.note.since_ms is None else one.note.since_ms


def _failed(one: Occasion) -> Said:
    name, event_id = one.note.subject, one.totals.failed_event or ""
    failed = plural(one.note.pending, "delivery")
    why = _why(one.failure)
    return Said(
        f"{failed} to {name} failed for good",
        f"The last one: {why}. No further attempt is made unless it is replayed.",
        f"dispatchd replay --failed --destination {name}",
        (("Destination", name), ("Failed", f"{one.note.pending:,}"), ("Last event", event_id)),
        _since_ms(one),
    )


def _why(failure: LastFailure | None) -> str:
    if failure is None:
        return "its attempts are not kept any more"
    parts = [str(failure.error or "unknown")]
    if failure.status_code is not None:
        parts.append(str(failure.status_code))
    return " ".join(parts) + (f", {failure.message}" if failure.message else "")


def _alert_failed(one: Occasion) -> Said:
    name = one.note.subject
    return Said(
        f"Alerts to {name} fail",
        f"An alert to {name} failed for good: {_why(one.failure)}. Further ones are not told"
        " of until something gets through.",
        f"dispatchd alerts test {name}",
        (("Destination", name), ("Last event", one.totals.failed_event or "")),
        _since_ms(one),
    )


def _times(count: int, did: str) -> str:
    return "" if count == 1 else f" It {did} {count:,} times since the last alert."


def _held(one: Occasion) -> Said:
    name, because = one.note.subject, one.totals.held_because
    often = _times(one.note.pending, "was held")
    fields: tuple[tuple[str, str], ...] = (("Destination", name),)
    if because is None:
        title, description = f"{name} was held", f"{name} was held, and is open again.{often}"
    else:
        title = f"{name} is held"
        description = (
            f"Nothing is sent to {name}: {because}. What is owed to it waits, and uses up no"
            f" attempts.{often}"
        )
        fields = (*fields, ("Why", because))
    return Said(title, description, f"dispatchd resume {name}", fields, _since_ms(one))


def _recovered(one: Occasion) -> Said:
    name = one.note.subject
    return Said(
        f"{name} is open again",
        f"What waited for {name} is sent.{_times(one.note.pending, 'opened')}",
        "dispatchd destinations",
        (("Destination", name),),
        _since_ms(one),
    )


def _backlog(one: Occasion) -> Said:
    name, waiting = one.note.subject, one.waiting or Waiting(0, None)
    more = " or more" if waiting.deliveries == one.waiting_bound else ""
    age = "-" if waiting.oldest_ms is None else span(one.now_ms - waiting.oldest_ms)
    verb = "waits" if waiting.deliveries == 1 else "wait"
    count = f"{waiting.deliveries:,}{more}"
    return Said(
        f"{plural(waiting.deliveries, 'delivery')}{more} {verb} for {name}",
        f"The oldest was received {age} ago.{_times(one.note.pending, 'was so')}",
        "dispatchd destinations",
        (("Destination", name), ("Waiting", count), ("Oldest", age)),
        one.now_ms if waiting.oldest_ms is None else waiting.oldest_ms,
    )


def spell_rate(rate: Rate) -> str:
    """Spell a rate as the config does: `10/m`."""
    spelled = [name for unit_s, name in _RATE_UNITS if round(rate.per_s * unit_s) == rate.burst]
    return f"{rate.burst}/{spelled[0]}" if spelled else f"{rate.per_s:g}/s"


def _refused(one: Occasion) -> Said:
    slug, rate = one.note.subject, spell_rate(one.spec.refused)
    return Said(
        f"{slug} refuses webhooks",
        f"{plural(one.note.pending, 'webhook')} beyond {rate} had no or a wrong signature or"
        " key, and were answered 401. A secret that was changed on one side, or somebody who"
        " guesses.",
        f"dispatchd explain {slug}",
        (("Endpoint", slug), ("Refused beyond " + rate, f"{one.note.pending:,}")),
        _since_ms(one),
    )


def _disk_low(one: Occasion) -> Said:
    left, bound = size(one.free_bytes), size(one.spec.free_bytes)
    return Said(
        f"The disk of the database has {left} left",
        f"That is less than {bound}. Below storage.min_free webhooks are answered 503."
        f"{_times(one.note.pending, 'was so')}",
        "dispatchd prune --older-than 7d",
        (("Free", left), ("Bound", bound)),
        _since_ms(one),
    )


def _fault(one: Occasion) -> Said:
    fault = one.fault or "why is in the log of an earlier run"
    return Said(
        "Storage failed, and works again",
        f"{fault}. Meanwhile webhooks were answered 503, and nothing was sent."
        f"{_times(one.note.pending, 'failed')}",
        "dispatchd stats",
        (("Fault", fault),),
        _since_ms(one),
    )


def _quiet(one: Occasion) -> Said:
    slug = one.note.subject
    silence, bound = span(one.now_ms - one.note.mark), span(one.spec.quiet_ms[slug])
    return Said(
        f"{slug} is quiet",
        f"Nothing was received for {silence}; it may be silent for {bound}."
        f"{_times(one.note.pending, 'fell silent')}",
        f"dispatchd events --endpoint {slug}",
        (("Endpoint", slug), ("Silent for", silence)),
        one.note.mark,
    )


_SAID: Final[Mapping[AlertKind, Callable[[Occasion], Said]]] = {
    AlertKind.DELIVERY_FAILED: _failed,
    AlertKind.ALERT_FAILED: _alert_failed,
    AlertKind.LANE_HELD: _held,
    AlertKind.LANE_RECOVERED: _recovered,
    AlertKind.BACKLOG: _backlog,
    AlertKind.SOURCE_ERRORS: _refused,
    AlertKind.DISK_LOW: _disk_low,
    AlertKind.STORAGE_FAULT: _fault,
    AlertKind.QUIET: _quiet,
}
