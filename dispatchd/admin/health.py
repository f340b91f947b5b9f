"""Whether the daemon is alive, and whether it takes webhooks."""

import asyncio
from typing import Final, NotRequired, TypedDict

import orjson
from aiohttp import web

from dispatchd import __version__
from dispatchd.admin.guard import KNOWN
from dispatchd.admin.parts import AdminParts
from dispatchd.errors import StoreUnavailable
from dispatchd.shapes.spelling import iso

ASK_S: Final = 1.0  # who asks whether we are well does not wait for long


class ConfigAgeFields(TypedDict):
    """Which config runs, and since when."""

    fingerprint: str
    loaded: str
    age_s: float


class HealthFields(TypedDict):
    """That the daemon is alive; the rest is for who has proven who they are."""

    status: str
    version: NotRequired[str]
    config: NotRequired[ConfigAgeFields]


class CommitFields(TypedDict):
    """How long commits took since the start, in ms: the bounds of their classes; null for none."""

    count: int
    last_ms: float | None
    p50_ms: float | None
    p99_ms: float | None


class ReadyFields(TypedDict):
    """Whether webhooks are taken: ok, unavailable or stopping; the rest likewise.

    `oldest_due_age_s` is how long the delivery that is due longest has been so, null where none
    is; those of held destinations are not counted.
    """

    status: str
    oldest_due_age_s: NotRequired[float | None]
    commits: NotRequired[CommitFields]
    config: NotRequired[ConfigAgeFields]


class Health:
    """Answers /healthz and /readyz."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    async def alive(self, request: web.Request) -> web.Response:
        """Answer 200 as long as anything does."""
        told: HealthFields = {"status": "ok"}
        if request[KNOWN]:
            told["version"] = __version__
            told["config"] = self._config()
        return _json(200, told)

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 where webhooks are taken, else 503."""
        status = self._parts.readiness()
        told: ReadyFields = {"status": status}
        if request[KNOWN]:
            told["oldest_due_age_s"] = await self._oldest_due_age_s()
            told["commits"] = self._commits()
            told["config"] = self._config()
        return _json(200 if status == "ok" else 503, told)

    def _config(self) -> ConfigAgeFields:
        parts = self._parts
        return {
            "fingerprint": parts.running.spec.fingerprint,
            "loaded": iso(parts.running.began_ms),
            "age_s": max(0, parts.clock.now_ms() - parts.running.began_ms) / 1000,
        }

    def _commits(self) -> CommitFields:
        times = self._parts.commit_times()
        return {
            "count": sum(times.counts),
            "last_ms": _ms(times.last_s),
            "p50_ms": _ms(times.quantile_s(0.5)),
            "p99_ms": _ms(times.quantile_s(0.99)),
        }

    async def _oldest_due_age_s(self) -> float | None:
        try:
            async with asyncio.timeout(ASK_S):
                oldest_ms = await self._parts.reads.oldest_due_ms()
        except (StoreUnavailable, TimeoutError):
            return None  # what a database is that does not answer, the status says
        if oldest_ms is None:
            return None
        return max(0, self._parts.clock.now_ms() - oldest_ms) / 1000


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _json(status: int, told: object) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(told), content_type="application/json")
