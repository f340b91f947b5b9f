"""Reading a config anew: who asks, what is watched, and a reader or a store in trouble."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from locks import write_lock
from rig import (
    BODY,
    FakeClock,
    Sink,
    StartDaemon,
    simple_config,
)
from rig_reloaded import Rewrite, said
from rig_served import free_port

from dispatchd.control import NobodyThere, ask, control_path
from dispatchd.plan import rereading


async def test_who_asks_during_a_reload_gets_the_next_one(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink, ", timeout: 5s"))
    asked = [asyncio.create_task(daemon.app.reload()) for _ in range(3)]
    await asyncio.sleep(0)
    rewrite("timeout: 5s", "timeout: 6s")
    later = [asyncio.create_task(daemon.app.reload()) for _ in range(3)]
    outcomes = await asyncio.gather(*asked, *later)
    assert all(not outcome.problems for outcome in outcomes)
    assert ["changed destination crm: timeout"] in [said(outcome) for outcome in outcomes]
    assert len(daemon.log.of("reloaded")) == 2


async def test_the_control_socket_is_private_and_goes_with_the_daemon(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    path = control_path(f"sqlite:///{tmp_path}/dispatchd.db")
    Path(path).write_text("a dead one's")
    daemon = await start_daemon(simple_config(sink))
    assert Path(path).stat().st_mode & 0o777 == 0o600
    answer = await asyncio.to_thread(ask, path, "reload")
    assert answer == {"ok": True, "changes": [], "problems": [], "warnings": []}
    assert "error" in await asyncio.to_thread(ask, path, "nonsense")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"no JSON\n")
    assert await reader.read() == b""
    writer.close()
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    with pytest.raises(NobodyThere):
        ask(path, "reload")


async def test_a_watched_config_is_taken_up_when_it_has_come_to_rest(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink, ", timeout: 5s"), clock=clock, watch=True)
    rewrite("timeout: 5s", "timeout: 60s")
    await daemon.pass_until(clock, lambda: daemon.log.of("reloaded"))
    (line,) = daemon.log.of("reloaded")
    assert line["changes"] == ["changed destination crm: timeout"]


async def test_what_a_newer_version_reads_is_not_taken_up(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await start_daemon(simple_config(sink))
    monkeypatch.setattr(rereading, "__version__", "0.0.1")
    (problem,) = (await daemon.app.reload()).problems
    assert problem.startswith("dispatchd was upgraded from 0.0.1 to ")
    await daemon.accepted(BODY)


async def test_a_reader_that_dies_or_hangs_changes_nothing(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon = await start_daemon(simple_config(sink))
    config = tmp_path / "config.yaml"
    with monkeypatch.context() as patch:
        patch.setattr(rereading.sys, "executable", "/bin/false")
        (problem,) = (await daemon.app.reload()).problems
        assert problem == f"reading {config} ended with exit code 1"
        patch.setattr(rereading.sys, "executable", "/nowhere/python")
        (problem,) = (await daemon.app.reload()).problems
        assert problem == "cannot start a process to read the config: No such file or directory"
    monkeypatch.setattr(rereading, "READ_MAX_S", 0.0)
    (problem,) = (await daemon.app.reload()).problems
    assert problem == f"reading {config} took more than 0 s"
    await daemon.accepted(BODY)


async def test_a_reader_whose_daemon_was_killed_ends_without_a_traceback(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("endpoints: {}")
    read_end, write_end = os.pipe()
    os.close(read_end)
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatchd.plan.worker", str(config)),
        stdout=write_end,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(write_end)
    _, said = await reader.communicate()
    assert said == b""


async def test_a_store_that_takes_no_writes_changes_nothing(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite, tmp_path: Path
) -> None:
    daemon = await start_daemon(simple_config(sink))
    here = daemon.app.port
    rewrite("  crm: {", f"  more: {{url: '{sink.url}'}}\n  crm: {{")
    rewrite("127.0.0.1:0", f"127.0.0.1:{(there := free_port())}")
    with write_lock(tmp_path / "dispatchd.db"):
        (problem,) = (await daemon.app.reload()).problems
        assert "locked" in problem
    assert daemon.app.port == here
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", there)
    await daemon.log.wait_for("storage_recovered")
    await daemon.accepted(BODY)
    assert said(await daemon.app.reload()) == ["changed server: listen", "added destination more"]
    assert daemon.app.port == there
