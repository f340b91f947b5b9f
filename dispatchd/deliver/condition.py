"""Whether a lane is open, paced or held, why and since when; told and kept when it changes."""

from dispatchd.clock import Clock
from dispatchd.deliver.holds import Holds
from dispatchd.deliver.pacing import Paces
from dispatchd.facts import LaneChanged, Tell
from dispatchd.gates import Gates
from dispatchd.model import Delivery, Hold, HoldKind, LaneWord, Pacing

_BREAKER = (HoldKind.GONE, HoldKind.BREAKER)


class Condition:
    """The condition of one lane. `takes` says whether new events may come from memory.

    `in_order`: they never may, since what is in the store came before them.
    """

    __slots__ = (
        "_clock",
        "_destination",
        "_holds",
        "_in_order",
        "_kept",
        "_kind",
        "_paces",
        "_tell",
        "gates",
        "paused",
        "state",
        "takes",
    )

    def __init__(
        self,
        destination: str,
        gates: Gates,
        holds: Holds,
        paces: Paces,
        *,
        clock: Clock,
        tell: Tell,
        in_order: bool,
    ) -> None:
        self._destination = destination
        self._holds = holds
        self._paces = paces
        self._clock = clock
        self._tell = tell
        self._in_order = in_order
        self._kept: Hold | None = None  # what the store has, or will, of the breaker
        self._kind: HoldKind | None = None
        self.gates = gates
        self.paused: Hold | None = None
        self.state: LaneWord = "open"
        self.takes = not in_order

    def order(self, *, in_order: bool) -> None:
        """Say whether deliveries go in order from here on."""
        self._in_order = in_order
        self.takes = self.state == "open" and not in_order

    def pause_after(self, failed: Delivery) -> bool:
        """Pause the lane for what failed for good; False where it is paused already.

        First of all, and `on_disk`, before that is kept: whatever crashes, nothing goes past it.
        """
        if self.paused is not None:
            return False
        reason = f"delivery of {failed.event_id} failed for good"
        self.paused = Hold(HoldKind.PAUSED, reason, self._clock.now_ms(), {})
        self._holds.want(self._destination, HoldKind.PAUSED, self.paused)
        return True

    async def on_disk(self) -> None:
        """Return when all that holds the lane is on disk."""
        await self._holds.kept()

    def kept(self, holds: tuple[Hold, ...]) -> None:
        """Hear what the store has: people pause and resume there, and a restart begins there."""
        now_s = self._clock.monotonic_s()
        by_kind = {hold.kind: hold for hold in holds}
        self.paused = by_kind.get(HoldKind.PAUSED)
        breaker = self.gates.breaker
        if breaker.open is not None and breaker.open not in by_kind:  # somebody resumed it
            breaker.close(now_s)
            self._kept = None
        for kind in _BREAKER:
            if kind not in by_kind or kind is breaker.open:
                continue
            if breaker.open is None and (kind is HoldKind.GONE or breaker.counts):
                breaker.restore(kind, now_s)
                self._kept = by_kind[kind]
            else:  # it left the config, or 410 took its place
                self._holds.want(self._destination, kind, None)
        self.gates.look_again()

    def changed(self) -> bool:
        """Find out what the condition is now; tell and keep it, and say whether it changed."""
        breaker = self.gates.breaker.open
        state: LaneWord = "open"
        kind: HoldKind | None = None
        if self.paused is not None:
            state, kind = "held", HoldKind.PAUSED
        elif breaker is not None:
            state, kind = "held", breaker
        elif self.gates.pace.slow or self.gates.cooldown.until_s:
            state = "paced"
        if breaker is not (None if self._kept is None else self._kept.kind):
            self._keep(breaker)
        if state == self.state and kind is self._kind:
            return False
        was_paced = self.state == "paced"
        self.state, self._kind = state, kind
        self.takes = state == "open" and not self._in_order
        reason, since_ms = self._why(state, kind)
        if state == "paced":
            self._paces.say(self._destination, Pacing(reason, since_ms))
        elif was_paced:
            self._paces.say(self._destination, None)
        self._tell(LaneChanged(self._destination, state, reason, since_ms, kind))
        return True

    def _keep(self, breaker: HoldKind | None) -> None:
        if self._kept is not None:
            self._holds.want(self._destination, self._kept.kind, None)
            self._kept = None
        if breaker is not None:
            count = self.gates.breaker.failures
            reason = f"{count} failures in a row" if count > 1 else "a failure"
            if breaker is HoldKind.GONE:
                reason = "it said that it is gone"
            self._kept = Hold(breaker, reason, self._clock.now_ms(), {})
            self._holds.want(self._destination, breaker, self._kept)

    def _why(self, state: LaneWord, kind: HoldKind | None) -> tuple[str, int]:
        now_ms, gates = self._clock.now_ms(), self.gates
        hold = self.paused if kind is HoldKind.PAUSED else self._kept
        if kind is not None and hold is not None:
            return hold.reason, now_ms if hold.since_ms is None else hold.since_ms
        if state == "open":
            return "", now_ms
        if gates.cooldown.until_s:
            wait_s = gates.cooldown.until_s - self._clock.monotonic_s()
            return f"it asked to be left alone for {max(0.0, wait_s):.0f} s", now_ms
        return f"{gates.pace.failures} failures in a row", now_ms
