"""A collector: takes OTLP over HTTP, and decodes it by the protocol's own definitions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from patience import HANG_S


@dataclass(frozen=True)
class Received:
    """A span as it came; ids in hex, empty where there is none."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    start_ns: int
    end_ns: int
    error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """What came, in order; `status` is what is answered."""

    url: str = ""
    status: int = 200
    spans: list[Received] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        sent = ExportTraceServiceRequest.FromString(body)
        async with self._arrived:
            self.requests.append((request.path, dict(request.headers)))
            if self.status == 200:
                self.raw.append(body)
                self.spans += _spans(sent)
            self._arrived.notify_all()
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(status=self.status, body=answer, content_type="application/x-protobuf")

    async def wait_until(self, met: Callable[[], object]) -> None:
        async with asyncio.timeout(HANG_S), self._arrived:
            await self._arrived.wait_for(met)

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    async def wait_for(self, name: str, count: int = 1) -> list[Received]:
        await self.wait_until(lambda: len(self.named(name)) >= count)
        return self.named(name)


def _spans(sent: ExportTraceServiceRequest) -> list[Received]:
    return [
        Received(
            name=span.name,
            kind=Span.SpanKind.Name(span.kind),
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            trace_state=span.trace_state,
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            error=span.status.code == 2,
            attributes=_attributes(span.attributes),
            resource=_attributes(of.resource.attributes),
        )
        for of in sent.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        ((kind, value),) = MessageToDict(pair.value).items()
        found[pair.key] = int(value) if kind == "intValue" else value
    return found


@asynccontextmanager
async def collecting(port: int = 0) -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", collector.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()
