"""When there is something to tell: pure, with time handed in.

What is seen comes in two forms. A `Total` only grows, and what it grew by is to be told. A
`Condition` begins and ends, and each beginning is to be told while it lasts. Both become `pending`
in the note, and a note with something pending is told once its window is over.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from dispatchd.alert.spec import AlertSpec
from dispatchd.alert_kinds import AlertKind
from dispatchd.frozen import frozen
from dispatchd.limits import Rate
from dispatchd.store.alerts import AlertNote, LaneTotals, Waiting

SET_BACK_MS: Final = 2000  # less is NTP's doing, and no reason to tell a thing again


@frozen
class Total:
    """A number that only grows. `ready`: what it counts is so now, and worth telling now."""

    count: int
    ready: bool = True


@frozen
class Condition:
    """What begins and ends; in between neither is so. `mark` is to be kept, None as it is."""

    begun: bool
    ended: bool
    mark: int | None = None


Seen = Total | Condition


@frozen
class Sight:
    """What one look found; what was not looked at is missing.

    `refused` counts, since the daemon began, by rate the webhooks of each endpoint beyond it,
    `faults` how often storage failed and worked again; `heard` is when (Unix ms) an endpoint last
    sent.
    """

    totals: Mapping[str, LaneTotals]
    waiting: Mapping[str, Waiting]
    free_bytes: int | None
    refused: Mapping[Rate, Mapping[str, int]]
    heard: Mapping[str, int]
    faults: int


_NONE: Final = LaneTotals()


def seen(spec: AlertSpec, note: AlertNote, sight: Sight, now_ms: int) -> Seen | None:
    """Return what `sight` says of a note's subject; None where it says nothing."""
    return _SEEN[note.kind](spec, note, sight, now_ms)


def _failed(_spec: AlertSpec, note: AlertNote, sight: Sight, _now_ms: int) -> Seen:
    return Total(sight.totals.get(note.subject, _NONE).failed)


def _alert_failed(_spec: AlertSpec, note: AlertNote, sight: Sight, _now_ms: int) -> Seen:
    """Tell once until something gets through: else two would tell of each other for ever.

    What failed and what got through since one look have no order: such failures are left to the
    next look, for the last one may have come after.
    """
    totals = sight.totals.get(note.subject, _NONE)
    failed, success_ms = totals.failed_alerts, totals.last_success_ms
    began_ms = note.since_ms if note.pending else note.told_ms
    ended = note.active and success_ms is not None and success_ms > (began_ms or 0)
    return Condition(failed > note.mark and not note.active, ended, None if ended else failed)


def _held(_spec: AlertSpec, note: AlertNote, sight: Sight, _now_ms: int) -> Seen:
    return Total(sight.totals.get(note.subject, _NONE).held)


def _recovered(_spec: AlertSpec, note: AlertNote, sight: Sight, _now_ms: int) -> Seen:
    totals = sight.totals.get(note.subject, _NONE)
    return Total(totals.opened, ready=totals.held_because is None)


def _backlog(spec: AlertSpec, note: AlertNote, sight: Sight, now_ms: int) -> Seen | None:
    """End it at half of both bounds, so that one that hovers is one."""
    waiting = sight.waiting.get(note.subject)
    if waiting is None:
        return None
    age_ms = 0 if waiting.oldest_ms is None else now_ms - waiting.oldest_ms
    return Condition(
        waiting.deliveries >= spec.backlog_deliveries or age_ms >= spec.backlog_age_ms,
        waiting.deliveries * 2 <= spec.backlog_deliveries and age_ms * 2 <= spec.backlog_age_ms,
    )


def _refused(spec: AlertSpec, note: AlertNote, sight: Sight, _now_ms: int) -> Seen:
    return Total(sight.refused.get(spec.refused, {}).get(note.subject, 0))


def _disk_low(spec: AlertSpec, _note: AlertNote, sight: Sight, _now_ms: int) -> Seen | None:
    """End it at a quarter more, likewise."""
    if sight.free_bytes is None:
        return None
    return Condition(
        sight.free_bytes < spec.free_bytes, sight.free_bytes * 4 >= spec.free_bytes * 5
    )


def _fault(_spec: AlertSpec, _note: AlertNote, sight: Sight, _now_ms: int) -> Seen:
    return Total(sight.faults)


def _quiet(spec: AlertSpec, note: AlertNote, sight: Sight, now_ms: int) -> Seen:
    """Count from what was heard last, and from now where the clock was set back since."""
    times_ms = (note.mark, sight.heard.get(note.subject, 0))
    past_ms = [one for one in times_ms if one <= now_ms + SET_BACK_MS]
    heard_ms = max(past_ms, default=0) or now_ms  # 0: not heard at all
    silent = now_ms - heard_ms >= spec.quiet_ms[note.subject]
    return Condition(silent, not silent, heard_ms)


_SEEN: Final[Mapping[AlertKind, Callable[[AlertSpec, AlertNote, Sight, int], Seen | None]]] = {
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
_OF_THIS_PROCESS: Final = (AlertKind.SOURCE_ERRORS, AlertKind.STORAGE_FAULT)


def first_note(
    to: str, kind: AlertKind, subject: str, totals: Mapping[str, LaneTotals], now_ms: int
) -> AlertNote:
    """Return the note to begin with: what came before the alert was asked for is not told.

    But a lane that is held now is.
    """
    so_far = totals.get(subject, _NONE)
    marks = {
        AlertKind.DELIVERY_FAILED: so_far.failed,
        AlertKind.ALERT_FAILED: so_far.failed_alerts,
        AlertKind.LANE_HELD: so_far.held - (so_far.held_because is not None),
        AlertKind.LANE_RECOVERED: so_far.opened,
        AlertKind.QUIET: now_ms,
    }
    return AlertNote(to, kind, subject, marks.get(kind, 0))


def taken_up(note: AlertNote) -> AlertNote:
    """Return a note as it is after a restart: what the process itself counts begins at 0."""
    return replace(note, mark=0) if note.kind in _OF_THIS_PROCESS else note


def noted(note: AlertNote, what: Seen, now_ms: int) -> AlertNote:
    """Return the note with what was seen in it."""
    if isinstance(what, Total):
        if what.count == note.mark:
            return note
        return _pending(replace(note, mark=what.count), what.count - note.mark, now_ms)
    marked = note if what.mark in (None, note.mark) else replace(note, mark=what.mark)
    if what.ended:
        return replace(marked, active=False) if marked.active else marked
    if what.begun and not note.active:
        # What ends it is told by time: since when is that of the last beginning.
        return _pending(replace(marked, active=True, since_ms=None), 1, now_ms)
    return marked


def _pending(note: AlertNote, more: int, now_ms: int) -> AlertNote:
    if more <= 0:  # a total that shrank is another database's
        return note
    since_ms = now_ms if note.since_ms is None else note.since_ms
    return replace(note, pending=note.pending + more, since_ms=since_ms)


def due(note: AlertNote, what: Seen, every_ms: int, now_ms: int) -> bool:
    """Whether to tell now: there is something, it is so now, and the window is over.

    A window that begins in the future was told before the clock was set back: it is over.
    """
    if not note.pending or not (what.ready if isinstance(what, Total) else note.active):
        return False
    told_ms = note.told_ms
    return told_ms is None or not told_ms - SET_BACK_MS <= now_ms < told_ms + every_ms


def told(note: AlertNote, event_id: str, now_ms: int) -> AlertNote:
    """Return the note of an alert that is told now."""
    return replace(
        note,
        pending=0,
        since_ms=None,
        alerts=note.alerts + 1,
        told_ms=now_ms,
        event_id=event_id,
    )
