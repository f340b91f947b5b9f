"""Two consumers of a queue, killed by turns with the daemon: nothing lost, nothing to both."""

import asyncio
import json
import sqlite3
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from patience import HANG_S
from rig_process import MakeDaemon, ProcessDaemon
from rig_pull import KEY, digest
from rig_served import free_port

SCRIPT = Path(__file__).with_name("consumer.py")
LEASE_S = 1
EACH_ROUND = 15
KILLED = ["daemon", "first", "daemon", "second", "daemon", "first", "daemon", "second"]


class Consumer:
    """A consumer's process. What it said before it was killed counts."""

    def __init__(self, url: str, said: list[list[Any]], news: asyncio.Event) -> None:
        self._url = url
        self._said = said
        self._news = news

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            self._url,
            KEY,
            str(LEASE_S),
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if line.endswith(b"\n"):  # of the last one half may be missing
                self._said.append(json.loads(line))
                self._news.set()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


class Scene:
    """The daemon, its two consumers, and what they said."""

    def __init__(self, daemon: ProcessDaemon, port: int) -> None:
        self.daemon = daemon
        self.said: list[list[Any]] = []
        self.news = asyncio.Event()
        url = f"http://127.0.0.1:{port}/api/v1/pull/crm"
        self.consumers = {name: Consumer(url, self.said, self.news) for name in ("first", "second")}

    async def kill(self, name: str) -> None:
        """Kill one of them without warning, and start it again."""
        if name == "daemon":
            await self.daemon.kill()
            self.daemon.check_database()
            await self.daemon.start()
        else:
            await self.consumers[name].kill()
            await self.consumers[name].start()

    async def said_more(self, words: set[str], count: int) -> None:
        """Wait until so many such things were said from here on."""
        before = len(self.said)
        async with asyncio.timeout(HANG_S):
            while len([one for one in self.said[before:] if one[0] in words]) < count:
                self.news.clear()
                await self.news.wait()

    def owed(self) -> int:
        connection = sqlite3.connect(self.daemon.database)
        try:
            sql = "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
            return int(connection.execute(sql).fetchone()[0])
        finally:
            connection.close()


@pytest.fixture
async def scene(make_daemon: MakeDaemon, tmp_path: Path) -> AsyncIterator[Scene]:
    port = free_port()
    daemon = make_daemon(
        "http://127.0.0.1:9/",
        extra=f"""
admin: {{listen: '127.0.0.1:{port}', token: an-admin-token-of-some-length}}
api_keys: [{{name: worker, hash: '{digest(KEY)}', pull: crm}}]
""",
    )
    config = tmp_path / "config.yaml"
    queue = "crm: {type: pull, retry: {max_attempts: 100, backoff: [1ms]}}"
    config.write_text(config.read_text().replace("crm: {url: 'http://127.0.0.1:9/'}", queue))
    await daemon.start()
    scene = Scene(daemon, port)
    for consumer in scene.consumers.values():
        await consumer.start()
    yield scene
    for consumer in scene.consumers.values():
        await consumer.kill()


async def test_nothing_is_lost_and_nothing_is_handed_to_both(
    scene: Scene, http: aiohttp.ClientSession
) -> None:
    accepted: list[str] = []
    for name in KILLED:
        for _ in range(EACH_ROUND):
            body = json.dumps({"n": len(accepted)}).encode()
            status, document, _ = await scene.daemon.post(http, body)
            assert status == 202
            accepted.append(document["event_id"])
        await scene.said_more({"done", "claim"}, 5)  # in the middle of it
        await scene.kill(name)
    async with asyncio.timeout(HANG_S):
        while scene.owed():
            await scene.said_more({"idle"}, 1)
    scene.daemon.check_database()
    check(scene, accepted)


def check(scene: Scene, accepted: list[str]) -> None:
    assert not [one for one in scene.said if one[0] == "refused"]
    done = {one[1] for one in scene.said if one[0] == "done"}
    assert set(accepted) == done
    connection = sqlite3.connect(scene.daemon.database)
    attempts: dict[str, dict[int, str | None]] = defaultdict(dict)
    for key, number, error in connection.execute("SELECT event_id, number, error FROM attempts"):
        attempts[key.hex()][number] = error
    leases = connection.execute("SELECT count(*) FROM leases").fetchone()
    connection.close()
    assert leases == (0,)
    claims: dict[str, list[list[Any]]] = defaultdict(list)
    for one in scene.said:
        if one[0] == "claim":
            claims[one[1]].append(one[2:])
    ran_out = 0
    for event_id in accepted:
        errors = attempts[event_id.replace("-", "")]
        assert list(errors.values()).count(None) == 1  # acked once
        assert errors[max(errors)] is None
        heard = sorted(claims[event_id])
        assert len({number for number, _, _ in heard}) == len(heard)  # no attempt is two people's
        for (number, _, until_ms), (_, granted_ms, _) in pairwise(heard):
            if errors[number] != "rejected":  # a nack ends a lease before its time
                assert granted_ms >= until_ms
        ran_out += list(errors.values()).count("lease_expired")
    assert ran_out > 0  # or nothing was in the middle of anything
