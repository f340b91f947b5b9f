"""A database that cannot be written: said, survived, nothing acknowledged lost."""

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from locks import write_lock
from released import asked, unpack
from rig import Sink, holding
from rig_process import MakeDaemon, ProcessDaemon


async def healthy(daemon: ProcessDaemon, http: aiohttp.ClientSession) -> bool:
    async with http.get(f"http://127.0.0.1:{daemon.port}/healthz") as response:
        return response.status == 200


async def test_locked_by_another_process(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    daemon = make_daemon(sink.url)
    gate = asyncio.Event()
    sink.answer = holding(gate, text="ok")
    await daemon.start()
    _, first, _ = await daemon.post(http, b'{"n":1}')
    await sink.wait_for(1)
    with write_lock(daemon.database):
        gate.set()  # the first delivery's result cannot be written now
        await daemon.log.wait_for("storage_fault", reason="locked")
        status, document, headers = await daemon.post(http, b'{"n":2}')
        assert (status, document["error"]["code"]) == (503, "unavailable_locked")
        assert int(headers["Retry-After"]) >= 1
        assert not await healthy(daemon, http)
    await daemon.log.wait_for("storage_recovered")
    await daemon.log.wait_for("attempt", event_id=first["event_id"], result="success", number=1)
    status, second, _ = await daemon.post(http, b'{"n":2}')
    assert status == 202
    await daemon.log.wait_for("attempt", event_id=second["event_id"], result="success")
    assert await healthy(daemon, http)
    assert sink.event_ids() == [first["event_id"], second["event_id"]]  # none was sent twice
    assert await daemon.terminate() == 0
    daemon.check_database()


async def fill_then_mend(
    daemon: ProcessDaemon, http: aiohttp.ClientSession, sink: Sink, reason: str, mend: list[str]
) -> None:
    """Post until the disk takes no more; mend it; everything acknowledged must arrive."""
    acked = []
    status = 202
    for n in range(5_000):
        body = b'{"n":%d,"pad":"%s"}' % (n, b"x" * 20_000)
        status, document, headers = await daemon.post(http, body)
        if status != 202:
            break
        acked.append(document["event_id"])
    assert (status, document["error"]["code"]) == (503, f"unavailable_{reason}")
    assert int(headers["Retry-After"]) >= 1
    await daemon.log.wait_for("storage_fault", reason=reason)
    assert len(acked) > 10
    subprocess.run(mend, check=True)
    await daemon.log.wait_for("storage_recovered")
    while status != 202:
        status, document, _ = await daemon.post(http, b'{"after":true}')
    acked.append(document["event_id"])
    await daemon.log.wait_for("attempt", event_id=acked[-1], result="success")
    await daemon.log.wait_for("attempt", count=len(acked), result="success")
    assert set(acked) <= set(sink.event_ids())
    assert await daemon.terminate() == 0
    daemon.check_database()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB, which `grow` makes larger."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system takes root; the file size test needs none")
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mount_point)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount; the file size test needs no mount")
    yield mount_point
    subprocess.run(["umount", "-l", str(mount_point)], check=True)


def grow(mount_point: Path, size: str = "200m") -> list[str]:
    return ["mount", "-o", f"remount,size={size}", str(mount_point)]


async def test_the_disk_is_full_and_then_is_not(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession, small_disk: Path
) -> None:
    daemon = make_daemon(sink.url, directory=small_disk, storage=", min_free: 0B")
    await daemon.start()
    await fill_then_mend(daemon, http, sink, "full", grow(small_disk))


async def test_webhooks_stop_before_the_disk_is_full_and_deliveries_do_not(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession, small_disk: Path
) -> None:
    """The database itself never fails: what is owed is sent, and its results are written."""
    answer = asyncio.Event()
    sink.answer = holding(answer, text="ok")
    subprocess.run(grow(small_disk, "16m"), check=True)
    storage = ", min_free: 4MiB"
    daemon = make_daemon(sink.url, directory=small_disk, storage=storage, options=", timeout: 60s")
    await daemon.start()
    acked = []
    status, document, headers = await daemon.post(http, b'{"n":0}')
    while status == 202:
        acked.append(document["event_id"])
        body = b'{"n":%d,"pad":"%s"}' % (len(acked), b"x" * 2_000)
        # Slower than the disk is looked at, as a disk of a usual size is in proportion.
        await asyncio.sleep(0.005)
        status, document, headers = await daemon.post(http, body)
    assert (status, document["error"]["code"]) == (503, "unavailable_disk_low")
    assert int(headers["Retry-After"]) >= 1
    assert len(acked) > 10
    assert not await healthy(daemon, http)
    answer.set()
    await daemon.log.wait_for("attempt", count=len(acked), result="success")
    subprocess.run(grow(small_disk), check=True)
    await daemon.log.wait_for("disk_recovered")
    status, document, _ = await daemon.post(http, b'{"after":true}')
    assert status == 202
    await daemon.log.wait_for("attempt", event_id=document["event_id"], result="success")
    assert daemon.log.of("storage_fault") == []
    assert [line["event"] for line in daemon.log.lines if "disk_" in line["event"]] == [
        "disk_low",
        "disk_recovered",
    ]
    assert await daemon.terminate() == 0
    daemon.check_database()


async def test_an_upgrade_without_room_for_a_copy_changes_nothing(
    make_daemon: MakeDaemon, sink: Sink, small_disk: Path
) -> None:
    database = unpack(1, small_disk / "dispatchd.db")
    daemon = make_daemon(sink.url, directory=small_disk)
    await daemon.launch()
    assert await daemon.process.wait() == 1
    (line,) = await daemon.log.wait_for("text")
    assert "cannot be copied first, which takes 16." in line["text"]
    assert "set `storage: {backup_before_upgrade: false}`" in line["text"]
    assert asked(database, "PRAGMA user_version") == [(1,)]
    assert [path.suffix for path in small_disk.iterdir() if ".schema-" in path.name] == []
    told_so = make_daemon(
        sink.url, directory=small_disk, storage=", min_free: 0B, backup_before_upgrade: false"
    )
    await told_so.start()
    assert await told_so.terminate() == 0
    told_so.check_database()


async def test_a_file_may_not_grow_and_then_may(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    """Like a quota: writes fail with another error than a full disk's."""
    daemon = make_daemon(sink.url)
    await daemon.start()
    pid = daemon.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
    mend = ["prlimit", f"--pid={pid}", "--fsize=unlimited"]
    await fill_then_mend(daemon, http, sink, "io", mend)


async def test_a_second_daemon_is_refused(make_daemon: MakeDaemon, sink: Sink) -> None:
    first, second = make_daemon(sink.url), make_daemon(sink.url)
    await first.start()
    await second.launch()
    assert await second.process.wait() == 1
    (line,) = await second.log.wait_for("text")
    assert f"another dispatchd (pid {first.process.pid}) already serves" in line["text"]
    assert "Traceback" not in line["text"]
    assert await first.terminate() == 0


async def test_a_database_of_another_kind_is_refused(make_daemon: MakeDaemon, sink: Sink) -> None:
    daemon = make_daemon(sink.url)
    daemon.database.write_text("this is no database, it is a letter to my mother " * 100)
    await daemon.launch()
    assert await daemon.process.wait() == 1
    (line,) = await daemon.log.wait_for("text")
    assert "file is not a database" in line["text"]


async def test_a_newer_schema_is_refused(make_daemon: MakeDaemon, sink: Sink) -> None:
    daemon = make_daemon(sink.url)
    connection = sqlite3.connect(daemon.database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    await daemon.launch()
    assert await daemon.process.wait() == 1
    (line,) = await daemon.log.wait_for("text")
    assert "newer dispatchd" in line["text"]


async def test_a_database_deleted_underneath_is_never_acknowledged_into(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    """It is said once, without a webhook too, and all goes on when the file is put back."""
    daemon = make_daemon(sink.url)
    await daemon.start()
    _, first, _ = await daemon.post(http, b'{"n":1}')
    await daemon.log.wait_for("attempt", event_id=first["event_id"], result="success")
    aside = daemon.database.with_name("aside.db")
    daemon.database.rename(aside)
    (line,) = await daemon.log.wait_for("storage_fault")
    assert line["reason"] == "replaced"
    assert "put the original back, or restart" in line["message"]
    status, document, headers = await daemon.post(http, b'{"n":2}')
    assert (status, document["error"]["code"]) == (503, "unavailable_replaced")
    assert int(headers["Retry-After"]) >= 1
    assert not await healthy(daemon, http)
    aside.rename(daemon.database)
    await daemon.log.wait_for("storage_recovered")
    status, second, _ = await daemon.post(http, b'{"n":2}')
    assert status == 202
    await daemon.log.wait_for("attempt", event_id=second["event_id"], result="success")
    assert len(daemon.log.of("storage_fault")) == 1
    assert await daemon.terminate() == 0
    daemon.check_database()
