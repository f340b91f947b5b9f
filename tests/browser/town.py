"""A daemon as a busy shop has one: senders known by name, destinations in every state, refusals.

The history before its start is laid into the counts; everything else really happens.
"""

import asyncio
import itertools
import json
import math
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from rig import RecordingLog, signature

from dispatchd.app import App
from dispatchd.config import load
from dispatchd.plan.compiling import compile_plan
from dispatchd.store import store_from_url
from dispatchd.store.counts import within_ms

SECRET = "a-secret-of-the-town"
# endpoint: provider, events a minute, event types
ENDPOINTS = {
    "github": ("github", 46, ("push", "issues", "pull_request", "check_run", "release")),
    "shop": ("generic", 120, ("order.created", "order.paid", "order.shipped", "cart.updated")),
    "payments": ("generic", 74, ("charge.succeeded", "invoice.paid", "charge.refunded")),
    "forms": ("generic", 6, ("form.submitted",)),
    "ci/deploy": ("generic", 11, ("build.finished", "deploy.started")),
}
# destination: how it answers, ms that an exchange takes, share of tries that fail in the history
DESTINATIONS = {
    "crm": (200, 38, 0.004),
    "ledger": (200, 92, 0.01),
    "search-index": (503, 210, 0.35),
    "warehouse": (200, 64, 0.002),
    "analytics": (200, 17, 0.0),
    "team-chat": (204, 140, 0.0),
    "audit": (200, 25, 0.001),
    "label-printer": (200, 2100, 0.01),
}
QUEUE = "label-printer"  # which claims, and is not sent to
LINKS = {
    "github": ["team-chat", "audit", "search-index"],
    "shop": ["crm", "warehouse", "analytics", "search-index", QUEUE],
    "payments": ["ledger", "analytics", "audit"],
    "forms": ["crm"],
    "ci/deploy": ["team-chat", "audit"],
}
REFUSED = (
    ("github", "invalid_signature", 3),
    ("forms", "invalid_json", 1),
    ("", "unknown_endpoint", 2),
)


def config(directory: Path, sink: str, admin: str) -> str:
    endpoints = {}
    for slug, (provider, _, _) in ENDPOINTS.items():
        endpoints[slug] = {
            "provider": provider,
            "secret": SECRET,
            "event_type_path": "type",
            "destinations": [
                {"to": name, "filter": "body.amount > 100"}
                if (slug, name) == ("payments", "audit")
                else {"to": name, "transform": '{"order": id, "total": amount}'}
                if (slug, name) == ("shop", "crm")
                else name
                for name in LINKS[slug]
            ],
        }
    endpoints["shop"]["event_type_path"] = "type"
    destinations: dict[str, Any] = {name: {"url": f"{sink}{name}"} for name in DESTINATIONS}
    destinations["team-chat"]["type"] = "slack"
    destinations["team-chat"]["url"] = f"{sink}team-chat"
    destinations["search-index"] |= {
        "breaker": {"open_after": 5, "probe_every": "30s"},
        "headers": {"Authorization": "Bearer a-token-nobody-may-see"},
    }
    destinations["ledger"] |= {"ordered": True}
    destinations[QUEUE] = {"type": "pull"}
    return json.dumps(
        {
            "server": {"listen": "127.0.0.1:0", "public_url": "https://hooks.example.com"},
            "admin": json.loads(admin),
            "storage": {"url": f"sqlite:///{directory}/town.db", "retention": "30d"},
            "endpoints": endpoints,
            "destinations": destinations,
        }
    )


def wave(at_s: float) -> float:
    """Return how busy a time is, about 1: days have nights, and minutes differ."""
    day = 0.75 + 0.45 * math.sin((at_s % 86_400) / 86_400 * 2 * math.pi - 2.1)
    return max(0.1, day + 0.12 * math.sin(at_s / 420) + 0.07 * math.sin(at_s / 97))


def lay_history(database: Path, dice: random.Random, days: int = 7) -> None:
    """Fill the counts of the last days as those days would have."""
    now_s = int(time.time())
    rows_in: dict[tuple[Any, ...], int] = {}
    rows_out: dict[tuple[Any, ...], int] = {}
    for span_s, since_s in ((60, now_s - 26 * 3600), (3600, now_s - days * 86_400)):
        for at_s in range(since_s // span_s * span_s, now_s // 60 * 60, span_s):
            share = min(1.0, (now_s - at_s) / span_s) * span_s / 60
            for slug, (_, rate, _) in ENDPOINTS.items():
                came = round(rate * wave(at_s) * share * dice.uniform(0.8, 1.2))
                rows_in[span_s, at_s, slug, "received"] = came
                for name in LINKS[slug]:
                    _add_out(rows_out, dice, (span_s, at_s, name), came, now_s)
            for slug, reason, rate in REFUSED:
                if dice.random() < 0.3 or span_s > 60:
                    rows_in[span_s, at_s, slug, reason] = max(1, round(rate * share / 3))
    connection = sqlite3.connect(database)
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO endpoint_counts VALUES (?, ?, ?, ?, ?)",
            [(*key, count) for key, count in rows_in.items() if count],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO destination_counts VALUES (?, ?, ?, ?, ?, ?)",
            [(*key, count) for key, count in rows_out.items() if count],
        )
    connection.close()


def _add_out(
    rows: dict[tuple[Any, ...], int],
    dice: random.Random,
    key: tuple[int, int, str],
    came: int,
    now_s: int,
) -> None:
    name = key[2]
    _, took_ms, failing = DESTINATIONS[name]
    if name == "search-index":
        age_s = now_s - key[1]
        failing = 0.95 if age_s < 8 * 60 else 0.02 if age_s > 14 * 60 else failing
    failed = round(came * failing * dice.uniform(0.6, 1.4))
    for bad, count in ((False, came - failed), (True, failed)):
        for _ in range(8):
            part = round(count / 8 + dice.random() * 0.4)
            slow = 6 if dice.random() < 0.04 else 1
            taken = within_ms(took_ms * slow * dice.lognormvariate(0, 0.35))
            place = (*key, "retrying" if bad else "success", taken)
            rows[place] = rows.get(place, 0) + part


@asynccontextmanager
async def sink_of_the_town() -> AsyncIterator[str]:
    dice = random.Random(5)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        name = request.path.strip("/")
        status, took_ms, _ = DESTINATIONS.get(name, (200, 10, 0))
        await asyncio.sleep(took_ms / 1000 * dice.lognormvariate(0, 0.3))
        if status == 503:
            return web.json_response({"error": "no_shard_available", "retry": True}, status=503)
        return web.Response(status=200, text="ok")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


def body_of(slug: str, kind: str, number: int, dice: random.Random) -> bytes:
    if slug == "github":
        document: dict[str, Any] = {
            "action": "opened",
            "issue": {
                "number": 100 + number,
                "title": dice.choice(
                    ["Retry button does nothing", "Docs: a missing step", "Login loops"]
                ),
                "html_url": f"https://github.com/tuin/garden/issues/{100 + number}",
                "user": {"login": dice.choice(["mira", "jonas", "tove"]), "site_admin": False},
                "labels": [{"name": "bug", "color": "d73a4a"}, {"name": "help wanted"}],
            },
            "repository": {"full_name": "tuin/garden", "private": False, "stargazers_count": 1284},
            "sender": {"login": "mira", "type": "User"},
        }
    else:
        document = {
            "id": f"{slug.replace('/', '_')}_{1_040_000 + number}",
            "type": kind,
            "created": "2026-11-26T18:02:11Z",
            "amount": dice.choice([1290, 4900, 89.95, 20]),
            "currency": "EUR",
            "customer": {
                "id": f"cus_{dice.randrange(10**6)}",
                "name": "Bakkerij de Zon",
                "vat": None,
            },
            "lines": [
                {
                    "sku": f"SKU-{dice.randrange(1000)}",
                    "quantity": dice.randrange(1, 5),
                    "price": 12.50,
                }
                for _ in range(dice.randrange(1, 4))
            ],
            "live": True,
        }
    return json.dumps(document, ensure_ascii=False).encode()


class Town:
    """The daemon, and who talks to it."""

    def __init__(self, app: App, log: RecordingLog, http: aiohttp.ClientSession) -> None:
        self.app, self.log, self._http = app, log, http
        self.url = f"http://127.0.0.1:{app.port}"
        self.admin_url = f"http://127.0.0.1:{app.admin_port}"
        self._dice = random.Random(3)
        self._numbers = itertools.count()

    async def send(self, slug: str, *, secret: str = SECRET, body: bytes | None = None) -> int:
        kinds = ENDPOINTS[slug][2]
        number = next(self._numbers)
        kind = kinds[number % len(kinds)]
        body = body_of(slug, kind, number, self._dice) if body is None else body
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/044aadd" if slug == "github" else "Shop/3.1",
            "X-Hub-Signature-256": signature(body, secret),
        }
        if slug == "github":
            headers |= {
                "X-GitHub-Event": kind,
                "X-GitHub-Delivery": f"{number:08x}-0000-4000-8000-000000000000",
            }
        async with self._http.post(
            f"{self.url}/hooks/{slug}", data=body, headers=headers
        ) as response:
            await response.read()
            return response.status

    async def go_on(self) -> None:
        """Send as many a second as the history had, until cancelled."""
        slugs = [slug for slug, (_, rate, _) in ENDPOINTS.items() for _ in range(rate)]
        while True:
            await self.send(self._dice.choice(slugs))
            await asyncio.sleep(60 / len(slugs) * self._dice.uniform(0.2, 1.8))

    async def api(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post to the API; return what it answers."""
        async with self._http.post(f"{self.admin_url}/api/v1{path}", json=body or {}) as response:
            return await response.json()

    async def consume(self) -> None:
        """Claim from the queue and work, until cancelled; whoever claims more is slow."""
        claim = f"/pull/{QUEUE}/claim"
        await self.api(claim, {"max": 7, "lease": "10m"})
        while True:
            for item in (await self.api(claim, {"max": 2, "wait": "30s"}))["items"]:
                await asyncio.sleep(0.5)
                word = {"lease_id": item["lease_id"]}
                if self._dice.random() < 0.05:
                    word["reason"] = "out of labels"
                await self.api(f"/pull/{QUEUE}/{'nack' if 'reason' in word else 'ack'}", word)

    async def busy(self, events: int) -> None:
        slugs = [
            slug for slug, (_, rate, _) in ENDPOINTS.items() for _ in range(max(1, rate // 12))
        ]
        for _ in range(events):
            await self.send(self._dice.choice(slugs))
        await self.send("github", secret="an-old-secret")
        await self.send("github", secret="an-old-secret")
        await self.send("forms", body=b"name=Anna&mail=")
        async with self._http.post(f"{self.url}/hooks/old-shop", data=b"{}") as response:
            await response.read()


@asynccontextmanager
async def town(directory: Path, admin: str = '{"listen": "127.0.0.1:0"}') -> AsyncIterator[Town]:
    """Start it, with its history."""
    database = directory / "town.db"
    store = store_from_url(f"sqlite:///{database}")
    await store.open()
    await store.close()
    lay_history(database, random.Random(1))
    async with sink_of_the_town() as sink, aiohttp.ClientSession() as http:
        path = directory / "config.yaml"
        path.write_text(config(directory, sink, admin))
        log = RecordingLog()
        app = App(compile_plan(load(path), str(path)), log, drain_s=0.5)
        await app.start()
        try:
            yield Town(app, log, http)
        finally:
            await app.stop()
