"""Traces over the life of a daemon: a watcher of facts where the plan wants them, else nothing."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from dispatchd.clock import new_id
from dispatchd.errors import DispatchdError
from dispatchd.facts import AttemptEnded, Fact, Tell, WebhookAnswered
from dispatchd.log import Log
from dispatchd.plan import Plan
from dispatchd.plan.difference import same
from dispatchd.telemetry.spec import TelemetrySpec

if TYPE_CHECKING:
    from dispatchd.telemetry.exporting import Exporting
    from dispatchd.telemetry.spans import Target


class Tracing:
    """The traces of `plan`, and of those that follow it; of one without, nothing.

    OpenTelemetry is imported here, and in no daemon that does not want it. Raises DispatchdError
    where it cannot be set up.
    """

    def __init__(self, plan: Plan, log: Log) -> None:
        self._spec = plan.telemetry
        self._log = log
        self._exporting: Exporting | None = None
        self._targets: Mapping[str, Target] = {}
        self._broken = False
        self._closing: set[asyncio.Task[None]] = set()
        if self._spec is not None:
            try:
                self._exporting = _exporting(self._spec, log)
            except Exception as error:  # noqa: BLE001 - told, with its reason
                # Whatever it is, it is what the environment says: the config has been checked.
                raise DispatchdError(
                    f"telemetry: OpenTelemetry does not take what OTEL_… says: {error}"
                ) from None
            self._targets = _targets(plan)

    @property
    def watchers(self) -> Sequence[Tell]:
        """Who wants to be told facts."""
        return [] if self._exporting is None else [self._watch]

    def follow(self, plan: Plan) -> None:
        """Trace as another plan says from here on."""
        if self._exporting is None or plan.telemetry is None:
            return  # whether there are traces is decided at the start
        self._targets = _targets(plan)
        if not same(self._spec, plan.telemetry):
            before, self._spec = self._exporting, plan.telemetry
            self._exporting = _exporting(plan.telemetry, self._log)
            closing = asyncio.create_task(before.close(), name="telemetry")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Export what waits, within a bounded time."""
        await asyncio.gather(*self._closing)
        if self._exporting is not None:
            await self._exporting.close()

    def _watch(self, fact: Fact) -> None:
        """Tell a fact as spans. What goes wrong here is nobody's who told it."""
        try:
            self._trace(fact)
        except Exception as error:  # noqa: BLE001 - a webhook is not lost for its trace
            if not self._broken:
                self._broken = True
                self._log.error("internal_error", error=f"a span could not be told: {error!r}")

    def _trace(self, fact: Fact) -> None:
        from dispatchd.telemetry.spans import attempt_span, webhook_spans  # noqa: PLC0415

        spec, exporting = self._spec, self._exporting
        if spec is None or exporting is None:
            return
        if isinstance(fact, WebhookAnswered):
            now_s, now_ns = time.perf_counter(), time.time_ns()
            unknown_id = "" if fact.event is not None else new_id()
            for span in webhook_spans(fact, spec.sample, unknown_id, now_s, now_ns):
                exporting.take(span)
        elif isinstance(fact, AttemptEnded):
            ended = attempt_span(fact, self._targets.get(fact.attempt.destination), spec.sample)
            if ended is not None:
                exporting.take(ended)


def _exporting(spec: TelemetrySpec, log: Log) -> "Exporting":
    from dispatchd.telemetry.exporting import Exporting  # noqa: PLC0415 - only where it is used

    return Exporting(spec, log)


def _targets(plan: Plan) -> "Mapping[str, Target]":
    from dispatchd.telemetry.spans import Target  # noqa: PLC0415 - only where it is used

    return {name: Target(lane.type, lane.url) for name, lane in plan.lanes.items()}
