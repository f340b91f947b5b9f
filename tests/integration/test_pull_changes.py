"""Pull queues: the docs' own consumer, queues that become destinations, and keys."""

import asyncio
import os
import re
import sys
from pathlib import Path

from rig import BODY, FakeClock, Sink, StartDaemon, always, holding
from rig_pull import CLAIM, KEY, Queue, digest, queue_config, start_queue


def docs_consumer() -> str:
    text = (Path(__file__).parents[2] / "docs" / "pull.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len([line for line in script.splitlines() if line.strip()]) <= 10
    return str(script)


async def test_the_consumer_of_the_docs(queue: Queue) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        docs_consumer(),
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "QUEUE_URL": f"{queue.daemon.admin_url}/api/v1/pull/jobs",
            "QUEUE_KEY": KEY,
        },
    )
    try:
        assert process.stdout is not None
        for count in (1, 2):
            event_id = await queue.daemon.accepted(b'{"n": 1}')
            assert (await process.stdout.readline()).decode() == f'{event_id} {{"n": 1}}\n'
            await queue.daemon.log.wait_for("attempt", count, result="success")
    finally:
        process.kill()
        await process.wait()


async def test_a_destination_becomes_a_queue_and_the_other_way_round(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    """What it owes goes the new way; what a consumer has stays with it."""
    queue = await start_queue(start_daemon)
    path = tmp_path / "config.yaml"
    as_queue = path.read_text()
    as_webhook = as_queue.replace("jobs: {type: pull}", f"jobs: {{url: '{sink.url}'}}").replace(
        f"  - {{name: worker, hash: '{digest(KEY)}', pull: jobs}}\n", ""
    )
    ids = [await queue.daemon.accepted(BODY) for _ in range(2)]
    (item,) = await queue.claim(1, lease="1h")
    waiting = asyncio.create_task(queue.claim(wait="1m"))
    assert [one["event_id"] for one in await waiting] == [ids[1]]
    await queue.done("nack", (await waiting)[0]["lease_id"])
    path.write_text(as_webhook)
    assert (await queue.daemon.app.reload()).problems == ()
    await sink.wait_for(1)
    assert sink.event_ids() == [ids[1]]  # the other is with its consumer
    assert (await Queue(queue.daemon, key=None).admin.ask("POST", CLAIM, json={}))[0] == 404
    release = asyncio.Event()
    sink.answer = holding(release, status=500)
    third = await queue.daemon.accepted(BODY)
    await sink.wait_for(2)  # under way, while it becomes a queue again
    path.write_text(as_queue)
    assert (await queue.daemon.app.reload()).problems == ()
    assert await queue.claim() == []
    await queue.done("ack", item["lease_id"])
    release.set()
    await queue.daemon.log.wait_for("attempt", event_id=third, error="http_error")
    (item,) = await queue.claim(wait="1m")
    assert (item["event_id"], item["attempt"]) == (third, 2)


async def test_what_held_a_destination_holds_no_queue(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    """It answered 410; nobody can say so of a queue."""
    yaml = queue_config().replace("jobs: {type: pull}", f"jobs: {{url: '{sink.url}'}}")
    key = f"  - {{name: worker, hash: '{digest(KEY)}', pull: jobs}}\n"
    queue = await start_queue(start_daemon, yaml.replace(key, ""))
    sink.answer = always(410)
    event_id = await queue.daemon.accepted(BODY)
    await queue.daemon.log.wait_for("lane_held", destination="jobs", kind="gone")
    path = tmp_path / "config.yaml"
    text = path.read_text().replace(f"jobs: {{url: '{sink.url}'}}", "jobs: {type: pull}")
    path.write_text(text.replace("api_keys:\n", f"api_keys:\n{key}"))
    assert (await queue.daemon.app.reload()).problems == ()
    (item,) = await queue.claim(wait="1m")
    assert (item["event_id"], item["attempt"]) == (event_id, 2)
    while (await queue.admin.get("/destinations/jobs"))["held"]:
        await queue.daemon.accepted(BODY)
    assert (await queue.admin.get("/destinations/jobs"))["state"] == "open"


async def test_wrong_keys_are_counted(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    queue = await start_queue(start_daemon, clock=clock)
    for _ in range(10):
        assert (await Queue(queue.daemon, key="dsp_wrong").ask("claim"))[0] == 401
    assert (await queue.ask("claim"))[0] == 429
    clock.advance(61)
    assert await queue.claim() == []
