"""Two configs that differ in every kind of part, and what must hold whatever is reloaded when."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from aiohttp import web
from patience import HANG_S
from rig import SECRET

POLL_S = 0.1
# What they differ in: each part is changed, one destination and one endpoint come and go.
ONE = {
    "RATE": "1000/s",
    "TIMEOUT": "5s",
    "LINKS": "[fast, slow, failing, coming]",
    "COMING": "  coming: {url: 'URL/coming'}",
    "ENDPOINT": "",
    "ORDERED": "ordered: false",
}
OTHER = {
    "RATE": "2000/s",
    "TIMEOUT": "6s",
    "LINKS": "[fast, slow, failing]",
    "COMING": "",
    "ENDPOINT": "  second: {auth: none}",
    "ORDERED": "ordered: true",
}
CONFIG = """
server: {listen: '127.0.0.1:0'}
storage: {url: 'sqlite:///DATABASE'}
endpoints:
  my-slug: {secret: SECRET, rate_limit: RATE, destinations: LINKS}
ENDPOINT
destinations:
  fast: {url: 'URL/fast'}
  slow: {url: 'URL/slow', timeout: TIMEOUT, max_in_flight: 4, rate_limit: 500/s}
  failing: {url: 'URL/failing', ORDERED, retry: {max_attempts: 99, backoff: [10ms]}}
COMING
"""


def write(path: Path, parts: dict[str, str], url: str, database: Path) -> None:
    text = CONFIG
    for name, part in (*parts.items(), ("URL", url), ("DATABASE", str(database))):
        text = text.replace(name, part)
    fresh = path.with_suffix(".new")
    fresh.write_text(text.replace("secret: SECRET", f"secret: {SECRET}"))
    fresh.replace(path)


class Counting:
    """Counts requests and 200s by destination and event; `failing` answers every third with 500."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.good: Counter[tuple[str, str]] = Counter()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        key = (request.path[1:], request.headers["X-Dispatch-Event-ID"])
        self.requests[key] += 1
        if key[0] == "failing" and sum(self.requests.values()) % 3 == 0:
            return web.Response(status=500)
        self.good[key] += 1
        return web.Response()


def rows(database: Path) -> dict[tuple[str, str], tuple[str, int]]:
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT destination, lower(hex(event_id)), status, attempts FROM deliveries"
        ).fetchall()
    finally:
        connection.close()
    return {(name, event): (status, attempts) for name, event, status, attempts in found}


async def everything_is_delivered(database: Path) -> None:
    async with asyncio.timeout(HANG_S):
        while any(status != "success" for status, _ in rows(database).values()):
            await asyncio.sleep(POLL_S)


def assert_each_once(
    sink: Counting, kept: dict[tuple[str, str], tuple[str, int]], acked: Collection[str]
) -> None:
    """Assert that what was acknowledged is kept, and each delivery of it was made once."""
    assert {event for _, event in kept} == {plain(event) for event in acked}
    assert {(name, plain(event)): n for (name, event), n in sink.good.items()} == dict.fromkeys(
        kept, 1
    )
    requests = {(name, plain(event)): n for (name, event), n in sink.requests.items()}
    assert requests == {key: attempts for key, (_, attempts) in kept.items()}
    coming = sum(name == "coming" for name, _ in kept)
    assert 0 < coming < len(acked)  # both configs were in force


def plain(event_id: str) -> str:
    return event_id.replace("-", "")
