"""Many that listen at once: each a whole `listen` but for its process, over a restart too."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from rig import Daemon, Sink, StartDaemon, simple_config
from rig_api import TOKEN
from rig_served import free_port
from rig_sinks import MakeSink

from dispatchd.cli.forwarding import Forward
from dispatchd.cli.listen import _Listening
from dispatchd.cli.positions import Position
from dispatchd.model import Via
from dispatchd.remote import following
from dispatchd.remote.daemon import DaemonAt

LISTENERS = 50
EVENTS = 20


class Laptops:
    """One address for all of them, a path for each; what came there, in its order."""

    def __init__(self, sink: Sink) -> None:
        self.told: dict[str, list[str]] = defaultdict(list)
        self._sink = sink
        sink.answer = self._answer

    async def _answer(self, request: web.Request, _: int) -> web.Response:
        self.told[request.path].append(request.headers["X-Dispatch-Event-ID"])
        return web.Response()

    async def until_each_has(self, count: int) -> None:
        """Wait, however long that takes, as long as something comes."""
        while len(self.told) < LISTENERS or min(map(len, self.told.values())) < count:
            await self._sink.wait_for(len(self._sink.received) + 1)


def listen(url: str, laptops: Sink, number: int) -> Callable[[], Awaitable[None]]:
    daemon, target = DaemonAt(url, TOKEN), f"{laptops.url}{number}"
    position = Position(url, "my-slug", target)
    one = _Listening(daemon, Forward(target, 30, Via()), position, as_json=True)
    return lambda: one.run("my-slug", {"endpoint": "my-slug", "whole": "true"}, None)


async def posted(daemon: Daemon) -> list[str]:
    return [await daemon.accepted(b'{"n": %d}' % n) for n in range(EVENTS)]


async def test_fifty_listen_at_once_and_miss_nothing_over_a_restart(
    start_daemon: StartDaemon,
    sink_factory: MakeSink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(following, "LAST_WAIT_S", 1.0)
    at = await sink_factory()
    laptops, port = Laptops(at), free_port()
    admin = f"admin: {{listen: '127.0.0.1:{port}', token: {TOKEN}}}\n"
    yaml = f"{simple_config(await sink_factory())}\n{admin}"
    daemon = await start_daemon(yaml)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(listen(f"http://127.0.0.1:{port}", at, n)()) for n in range(LISTENERS)
        ]
        await daemon.log.wait_for("follower_joined", LISTENERS)
        ids = await posted(daemon)
        await laptops.until_each_has(len(ids))
        await start_daemon.stop(daemon)  # type: ignore[attr-defined]
        daemon = await start_daemon(yaml)
        ids += await posted(daemon)  # some have not come back by then
        await laptops.until_each_has(len(ids))
        assert all(told == ids for told in laptops.told.values())
        for task in tasks:
            task.cancel()
    assert not daemon.log.of("internal_error")
