"""The duty that tells: looks at what the store counted and the watch heard, and keeps alerts.

Each look makes the notes what they should be; what is due is kept as an event with its note, in
one transaction, and from there on it is a delivery like any other.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dispatchd.alert import rules
from dispatchd.alert.rules import Sight
from dispatchd.alert.spec import AlertSpec
from dispatchd.alert.watch import AlertWatch
from dispatchd.alert.wording import Occasion, alert_body, alert_event
from dispatchd.alert_kinds import AlertKind
from dispatchd.clock import Clock, new_id
from dispatchd.errors import StoreUnavailable
from dispatchd.log import Log
from dispatchd.store.alerts import AlertNote, LaneTotals, Waiting
from dispatchd.store.base import Store
from dispatchd.store.health import StoreHealth

LOOK_EVERY_S: Final = 15.0  # at backlogs, the disk, and what is quiet
GATHER_S: Final = 2.0  # from the first of something to its alert: a storm is told as one
KEEP_HEARD_MS: Final = 60_000  # how far a kept time of an endpoint's last event may lag behind
# What is kept of times lags by that, and the clock's by as much: events are read from before both.
READ_BACK_MS: Final = 3 * 60_000
NOTES_A_TURN: Final = 256  # of the loop: a millisecond or so
WAITING_BOUND: Final = 100_000  # counted for the words of an alert, once

_ABOUT_LANES: Final = frozenset(
    {
        AlertKind.DELIVERY_FAILED,
        AlertKind.LANE_HELD,
        AlertKind.LANE_RECOVERED,
        AlertKind.BACKLOG,
    }
)
_Key = tuple[str, AlertKind, str]


@dataclass(slots=True)
class _Told:
    """A note as it stands, and as it was last kept."""

    spec: AlertSpec
    note: AlertNote
    kept: AlertNote | None = field(default=None)

    @property
    def unkept(self) -> bool:
        """Whether to keep it: a time that only moved on may wait."""
        note, kept = self.note, self.kept
        if note is kept:
            return False
        if kept is None or note.kind is not AlertKind.QUIET:
            return note != kept
        return (
            abs(note.mark - kept.mark) >= KEEP_HEARD_MS
            or note.active != kept.active
            or note.pending != kept.pending
        )


class Alerting:
    """Tells. `start`, then `run` as a duty, then `stop`; `look` hears where there is a delivery."""

    def __init__(
        self,
        specs: Collection[AlertSpec],
        watch: AlertWatch,
        store: Store,
        *,
        health: StoreHealth,
        clock: Clock,
        log: Log,
        look: Callable[[Collection[str]], None],
    ) -> None:
        self._specs = specs
        self._watch = watch
        self._store: Store = store
        self._health = health
        self._clock = clock
        self._log = log
        self._look = look
        self._told: dict[_Key, _Told] = {}
        self._looked_s: float | None = None
        self._in_doubt = False
        self._ending = False

    async def start(self, lanes: Collection[str], endpoints: Collection[str], kept_ms: int) -> None:
        """Take up what earlier runs told. Raises StoreUnavailable.

        `kept_ms` is the wall clock as the last run kept it, 0 where none did. Call it before
        anything may fail: what came before an alert was asked for is not told.
        """
        notes = {_key(note): note for note in await self._store.alert_notes()}
        totals = await self._store.lane_totals()
        now_ms = self._clock.now_ms()
        for spec in self._specs:
            for kind, subject in subjects(spec, self._specs, lanes, endpoints):
                note = notes.pop((spec.to, kind, subject), None)
                fresh = rules.first_note(spec.to, kind, subject, totals, now_ms)
                taken = fresh if note is None else rules.taken_up(note)
                self._told[_key(taken)] = _Told(spec, taken, note)
        if self._watch.heard:
            since_ms = min(kept_ms or now_ms, now_ms) - READ_BACK_MS
            last = await self._store.last_events(since_ms, self._watch.heard)
            self._watch.heard.update(last)
        await self._keep(dropped=list(notes.values()))

    async def run(self) -> None:
        """Tell until stopped, or until `end` and a last look."""
        never = asyncio.Event()
        while not self._ending:
            await self._clock.wait(self._watch.wake, LOOK_EVERY_S)
            if self._watch.wake.is_set() and not self._ending:
                await self._clock.wait(never, GATHER_S)
                self._watch.wake.clear()  # before looking: what comes meanwhile is seen next time
            await self.step()

    def end(self) -> None:
        """Have `run` return soon: another config's alerts are to be told."""
        self._ending = True
        self._watch.wake.set()

    async def stop(self) -> None:
        """Look a last time: what is known now is told by the next run, or kept for it."""
        if not self._in_doubt:
            await self.step()

    async def step(self) -> None:
        """Look once, and tell what is due; what the store does not take now is told later."""
        if not self._health.good:
            return
        try:
            await self._step()
        except StoreUnavailable as error:
            self._health.failed(error)
        except asyncio.CancelledError:
            self._in_doubt = True  # what was being kept may be: not to be told again
            raise

    async def _step(self) -> None:
        sight = await self._sight()
        now_ms = self._clock.now_ms()
        for number, told in enumerate(self._told.values(), 1):
            if number % NOTES_A_TURN == 0:
                await asyncio.sleep(0)  # there may be tens of thousands
            what = rules.seen(told.spec, told.note, sight, now_ms)
            if what is None:
                continue
            told.note = rules.noted(told.note, what, now_ms)
            if rules.due(told.note, what, told.spec.every_ms, now_ms):
                await self._tell(told, sight, now_ms)
        await self._keep()

    async def _sight(self) -> Sight:
        totals = await self._store.lane_totals()
        waiting: dict[str, Waiting] = {}
        free_bytes: int | None = None
        now_s = self._clock.monotonic_s()
        if self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            for name, bound in self._bounds().items():
                waiting[name] = await self._store.waiting(name, bound)
            if any(AlertKind.DISK_LOW in spec.kinds for spec in self._specs):
                space = await self._store.space()
                free_bytes = None if space is None else space.free_bytes
        watch = self._watch
        return Sight(totals, waiting, free_bytes, watch.refused, watch.heard, watch.faults)

    def _bounds(self) -> Mapping[str, int]:
        """Return up to how many of each destination's deliveries are worth counting."""
        bounds: dict[str, int] = {}
        for told in self._told.values():
            if told.note.kind is AlertKind.BACKLOG:
                name = told.note.subject
                bounds[name] = max(bounds.get(name, 0), told.spec.backlog_deliveries)
        return bounds

    async def _tell(self, told: _Told, sight: Sight, now_ms: int) -> None:
        note = told.note
        occasion = await self._occasion(told.spec, note, sight, now_ms)
        event = alert_event(new_id(), note.kind, alert_body(occasion), now_ms)
        after = rules.told(note, event.id, now_ms)
        await self._store.tell_alert(event, after)
        told.note = told.kept = after
        self._log.warning(
            "alert",
            kind=note.kind.value,
            subject=note.subject or None,
            to=note.to,
            count=note.pending,
            event_id=event.id,
        )
        self._look((note.to,))

    async def _occasion(
        self, spec: AlertSpec, note: AlertNote, sight: Sight, now_ms: int
    ) -> Occasion:
        totals = sight.totals.get(note.subject, LaneTotals())
        failure = None
        waiting = None
        if note.kind in (AlertKind.DELIVERY_FAILED, AlertKind.ALERT_FAILED) and totals.failed_event:
            failure = await self._store.last_failure(totals.failed_event, note.subject)
        if note.kind is AlertKind.BACKLOG:
            waiting = await self._store.waiting(note.subject, WAITING_BOUND)
        fault = self._watch.fault
        return Occasion(
            spec,
            note,
            now_ms,
            totals,
            failure,
            waiting,
            WAITING_BOUND,
            sight.free_bytes or 0,
            "" if fault is None else str(fault),
        )

    async def _keep(self, dropped: Collection[AlertNote] = ()) -> None:
        """Keep what has changed, in one transaction."""
        changed = [told for told in self._told.values() if told.unkept]
        if changed or dropped:
            await self._store.keep_alert_notes([told.note for told in changed], dropped)
        for told in changed:
            told.kept = told.note


def _key(note: AlertNote) -> _Key:
    return note.to, note.kind, note.subject


def subjects(
    spec: AlertSpec,
    specs: Collection[AlertSpec],
    lanes: Collection[str],
    endpoints: Collection[str],
) -> Iterator[tuple[AlertKind, str]]:
    """Yield what an alert tells of: each kind about each destination, endpoint, or the whole.

    Nothing that it comes by itself, and no endpoint that is not active.
    """
    others = [name for name in lanes if name not in spec.destinations]
    carriers = {one.to for one in specs}
    about: dict[AlertKind, Collection[str]] = {
        **dict.fromkeys(_ABOUT_LANES, others),
        AlertKind.ALERT_FAILED: [name for name in others if name in carriers],
        AlertKind.SOURCE_ERRORS: [slug for slug in endpoints if slug not in spec.slugs],
        AlertKind.QUIET: [
            slug for slug in spec.quiet_ms if slug in endpoints and slug not in spec.slugs
        ],
        AlertKind.DISK_LOW: ("",),
        AlertKind.STORAGE_FAULT: ("",),
    }
    for kind in sorted(spec.kinds):
        for subject in about[kind]:
            yield kind, subject
