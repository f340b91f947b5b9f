"""Spans handed to OpenTelemetry's SDK, which posts them to a collector from a thread of its own.

Imported only where the config wants traces. Nothing of the daemon waits for a collector: what it
does not take is dropped, the oldest first, and a log line says once that it does not, and once
that it does again. Sizes and times are the SDK's, by its OTEL_BSP_* variables.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from dispatchd import __version__
from dispatchd.log import Log
from dispatchd.telemetry.spans import SpanFields
from dispatchd.telemetry.spec import TelemetrySpec
from dispatchd.trace_context import TraceContext

CLOSE_S: Final = 2.0  # for the last spans, where the collector takes them
REASON_MAX_CHARS: Final = 300
_LIBRARY: Final = "opentelemetry"
_UNNAMED: Final = "unknown_service"  # what the SDK calls whoever is given no name
_KINDS: Final = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}


class Exporting:
    """Takes spans that have ended. `take` and `close` are for the loop's thread."""

    def __init__(self, spec: TelemetrySpec, log: Log) -> None:
        heard = _Heard()
        heard.begin()
        self._exporter = _Told(spec, log, heard)
        self._ids = _Ids()
        # Which traces are recorded has been decided by then: the destinations have been told.
        self._provider = TracerProvider(
            ALWAYS_ON, _resource(), shutdown_on_exit=False, id_generator=self._ids
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("dispatchd", __version__)

    def take(self, fields: SpanFields) -> None:
        """Have a span exported; returns at once."""
        self._ids.give(fields.context)
        parent = trace.INVALID_SPAN if fields.parent is None else _remote(fields.parent)
        span = self._tracer.start_span(
            fields.name,
            trace.set_span_in_context(parent),
            _KINDS[fields.kind],
            dict(fields.attributes),
            start_time=fields.start_ns,
        )
        if fields.error is not None:
            span.set_attribute("error.type", fields.error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(max(fields.start_ns, fields.end_ns))

    async def close(self) -> None:
        """Export what waits, within a bounded time; none is waited for that would be in vain."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        if self._exporter.failing:
            self._exporter.shutdown()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop may not have waited for us
                loop.call_soon_threadsafe(ended.set)

        # No thread of the loop's pool: that is waited for at the end, however long it takes.
        threading.Thread(target=shut_down, name="telemetry", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_S):
                await ended.wait()
        except TimeoutError:
            self._exporter.shutdown()


class _Ids(IdGenerator):
    """Gives the next span the ids that it must have, in the thread that starts it."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def give(self, context: TraceContext) -> None:
        self._trace_id = int(context.trace_id, 16)
        self._span_id = int(context.span_id or "0", 16)

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        return self._span_id or random.getrandbits(63) + 1


class _Heard(logging.Handler):
    """Keeps what the SDK logs out of the log, where it would be a line for each try."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        if not self.first:
            self.first = record.getMessage()

    def begin(self) -> None:
        """Hear it from here on, in place of whoever did; to the end, for so long may it log."""
        library = logging.getLogger(_LIBRARY)
        library.handlers[:] = [self]
        library.propagate = False


class _Told(SpanExporter):
    """The exporter, telling the log when a collector ceases and begins to take spans."""

    def __init__(self, spec: TelemetrySpec, log: Log, heard: _Heard) -> None:
        self._inner = OTLPSpanExporter(spec.traces_url, headers=dict(spec.headers) or None)
        self._redactor = spec.redactor
        self._log = log
        self._heard = heard
        self._ended = False
        self.failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Post a batch. Called in the SDK's thread."""
        self._heard.first = ""
        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 - older ones raise what requests raises
            result, self._heard.first = SpanExportResult.FAILURE, str(error)
        failing = result is not SpanExportResult.SUCCESS
        if failing is not self.failing and not (failing and self._ended):
            self.failing = failing
            if failing:
                reason = self._redactor.text(self._heard.first)[:REASON_MAX_CHARS]
                self._log.warning("telemetry_failed", reason=reason)
            else:
                self._log.info("telemetry_recovered")
        return result

    def shutdown(self) -> None:
        """Try no more. May be called twice, and from any thread."""
        if not self._ended:
            self._ended = True
            self._inner.shutdown()  # type: ignore[no-untyped-call]


def _resource() -> Resource:
    """Return what all spans say of their process: OTEL_SERVICE_NAME goes before our own name."""
    found = Resource.create({SERVICE_VERSION: __version__})
    if str(found.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        return found.merge(Resource({SERVICE_NAME: "dispatchd"}))
    return found


def _remote(context: TraceContext) -> trace.Span:
    return trace.NonRecordingSpan(
        SpanContext(
            int(context.trace_id, 16),
            int(context.span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(context.flags),
            trace_state=TraceState.from_header([context.state]) if context.state else None,
        )
    )
