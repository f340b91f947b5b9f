"""A real daemon on loopback, a real database, a destination that does as it is told."""

import asyncio
import hashlib
import hmac
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from patience import HANG_S

from dispatchd.app import App
from dispatchd.clock import SystemClock
from dispatchd.store.base import EventStory, Store

SECRET = "your-signing-secret"
BODY = b'{ "action" : "opened",\n "n": 1.0, "u":"\\u00e9" }'  # as no JSON writer puts it


class RecordingLog:
    """Keeps log lines and lets a test wait for one."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._ended = False

    def end(self) -> None:
        """Whoever wrote is gone: who waits for a line, does so in vain."""
        self._ended = True
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(
                    AssertionError(f"no more lines; the last are {self.lines[-9:]}")
                )

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.lines.append({"event": event, "level": level, **fields})
        for satisfied, future in self._waiting:
            if not future.done() and satisfied():
                future.set_result(None)

    def _no_more(self) -> str:
        return f"no more lines come; the last are {self.lines[-9:]}"

    def debug(self, event: str, **fields: Any) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)

    def of(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [
            line
            for line in self.lines
            if line["event"] == event and all(line.get(k) == v for k, v in fields.items())
        ]

    async def wait_for(self, event: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Wait until `count` lines match; a test that waits in vain fails by timeout."""

        def satisfied() -> bool:
            return len(self.of(event, **fields)) >= count

        if not satisfied():
            assert not self._ended, self._no_more()
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((satisfied, future))
            async with asyncio.timeout(HANG_S):
                await future
        return self.of(event, **fields)


class FakeClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.wall_ms = SystemClock().now_ms()
        self.steady_s = 0.0
        self.busy_s = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.steady_s

    def processor_s(self) -> float:
        return self.busy_s

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (self.steady_s + timeout_s, due)
        self._waiting.append(entry)
        setting = asyncio.ensure_future(event.wait())
        either: list[asyncio.Future[Any]] = [due, setting]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            setting.cancel()
            if entry in self._waiting:
                self._waiting.remove(entry)

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.steady_s += seconds
        for due_s, future in list(self._waiting):
            if due_s <= self.steady_s and not future.done():
                future.set_result(None)

    def set_wall(self, change_s: float) -> None:
        """Somebody sets the clock; time itself does not pass."""
        self.wall_ms += round(change_s * 1000)


Answer = Callable[[web.Request, int], Awaitable[web.StreamResponse]]


def always(status: int, **kwargs: Any) -> Answer:
    async def answer(_request: web.Request, _count: int) -> web.Response:
        return web.Response(status=status, **kwargs)

    return answer


def failing_first(times: int) -> Answer:
    async def answer(_request: web.Request, count: int) -> web.Response:
        return web.Response(status=500 if count <= times else 200, text="ok")

    return answer


def holding(release: asyncio.Event, **kwargs: Any) -> Answer:
    """Answer nothing before `release` is set."""

    async def answer(_request: web.Request, _count: int) -> web.Response:
        await release.wait()
        return web.Response(**kwargs)

    return answer


@dataclass
class Sink:
    """A destination: keeps what arrives, answers as told."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Answer | None = None
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with self._arrived:
            self.received.append((dict(request.headers), body))
            self._arrived.notify_all()
        if self.answer is not None:
            return await self.answer(request, len(self.received))
        return web.Response(text="ok")

    async def wait_for(self, count: int) -> None:
        await self.wait_until(lambda: len(self.received) >= count)

    async def wait_until(self, met: Callable[[], bool]) -> None:
        """Wait until what has arrived is enough."""
        async with asyncio.timeout(HANG_S), self._arrived:
            await self._arrived.wait_for(met)

    def event_ids(self) -> list[str]:
        return [headers["X-Dispatch-Event-ID"] for headers, _ in self.received]


@dataclass
class Daemon:
    """A running daemon and a client for it."""

    app: App
    log: RecordingLog
    url: str
    http: aiohttp.ClientSession
    store: Store
    admin_url: str | None = None  # of an admin listener, where there is one

    async def post(
        self,
        body: bytes,
        *,
        slug: str = "my-slug",
        secret: str | None = SECRET,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any], Any]:
        """Post a webhook, signed unless `secret` is None; return status, document, headers."""
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        if secret is not None:
            all_headers.setdefault("X-Dispatch-Signature", signature(body, secret))
        async with self.http.post(
            f"{self.url}/hooks/{slug}", data=io.BytesIO(body), headers=all_headers
        ) as response:
            return response.status, await response.json(), response.headers

    async def accepted(self, body: bytes, **kwargs: Any) -> str:
        """Post a webhook that must be accepted; return its event id."""
        status, document, _ = await self.post(body, **kwargs)
        assert status == 202, document
        return str(document["event_id"])

    async def pass_until(
        self, clock: FakeClock, met: Callable[[], object], step_s: float = 1.0
    ) -> None:
        """Let time pass until `met`; a test that waits in vain fails by timeout."""
        async with asyncio.timeout(HANG_S):
            while not met():
                clock.advance(step_s)
                await self.store.ping()  # the database's threads have their say

    async def story(self, event_id: str) -> EventStory:
        story = await self.store.get_event(event_id)
        assert story is not None
        return story


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


StartDaemon = Callable[..., Awaitable[Daemon]]


def simple_config(sink: Sink, extra: str = "") -> str:
    """Return the config of the tour: one endpoint, one destination."""
    return f"""
endpoints:
  my-slug:
    secret: {SECRET}
    event_type_path: action
    destinations: [crm]
destinations:
  crm: {{url: '{sink.url}'{extra}}}
"""
