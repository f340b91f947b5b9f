"""One plan after another, as fast as they can be applied, while webhooks come and go out."""

import asyncio
import pickle
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from rig import BODY, RecordingLog, signature
from rig_reload import ONE, OTHER, Counting, assert_each_once, everything_is_delivered, rows, write

from dispatchd import reload
from dispatchd.app import App
from dispatchd.config import load
from dispatchd.plan import Plan
from dispatchd.plan.compiling import compile_plan

RELOADS = 60
SENDERS = 4


async def send(port: int, acked: list[str], stop: asyncio.Event) -> None:
    async with aiohttp.ClientSession() as http:
        while not stop.is_set():
            headers = {"X-Dispatch-Signature": signature(BODY)}
            url = f"http://127.0.0.1:{port}/hooks/my-slug"
            async with http.post(url, data=BODY, headers=headers) as response:
                document = await response.json()
                assert response.status == 202, document
                acked.append(document["event_id"])


async def test_each_delivery_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Counting()
    server = web.ServerRunner(web.Server(sink.handle), shutdown_timeout=0.1)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    config, database = tmp_path / "config.yaml", tmp_path / "dispatchd.db"
    plans = []
    for parts in (ONE, OTHER):
        write(config, parts, f"http://127.0.0.1:{server.addresses[0][1]}", database)
        plans.append(pickle.dumps(compile_plan(load(config), str(config))))
    read = 0

    async def read_again(_source: str) -> Plan:
        nonlocal read
        read += 1
        return pickle.loads(plans[read % 2])

    monkeypatch.setattr(reload, "read_again", read_again)
    log = RecordingLog()
    app = App(pickle.loads(plans[0]), log)
    await app.start()
    acked: list[str] = []
    stop = asyncio.Event()
    try:
        assert app.port is not None
        senders = [asyncio.create_task(send(app.port, acked, stop)) for _ in range(SENDERS)]
        while read < RELOADS or len(acked) < RELOADS or read % 2:
            outcome = await app.reload()
            assert (outcome.problems, len(outcome.changes)) == ((), 4 + 1)
        stop.set()
        await asyncio.gather(*senders)
        await everything_is_delivered(database)
    finally:
        stop.set()
        await app.stop()
        await server.cleanup()
    assert [line for line in log.lines if line["level"] == "error"] == []
    assert_each_once(sink, rows(database), acked)
