"""Litestream beside the daemon, as docs/backup.md has it: what was acknowledged comes back.

go install github.com/benbjohnson/litestream/cmd/litestream@v0.3.13
"""

import asyncio
import shutil
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from databases import ids_in, run, start
from patience import HANG_S
from rig import Sink
from rig_process import MakeDaemon, ProcessDaemon

LITESTREAM = shutil.which("litestream")

pytestmark = pytest.mark.skipif(
    LITESTREAM is None, reason="litestream is not in the PATH: go install it, as above"
)


class Litestream:
    """`litestream replicate`, to a folder."""

    def __init__(self, folder: Path, database: Path) -> None:
        self.database = database
        self.replica = folder / "replica"
        self._config = folder / "litestream.yml"
        self._config.write_text(
            textwrap.dedent(f"""
            dbs:
              - path: {database}
                monitor-interval: 50ms
                replicas:
                  - type: file
                    path: {self.replica}
                    sync-interval: 50ms
            """)
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert LITESTREAM is not None
        self._process = await asyncio.create_subprocess_exec(
            LITESTREAM,
            "replicate",
            "-config",
            self._config,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await until(lambda: any(self.replica.glob("generations/*/wal/*.lz4")))

    async def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()  # it writes what it has seen
            await self._process.wait()
            self._process = None

    async def restored(self, target: Path) -> bool:
        assert LITESTREAM is not None
        target.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            LITESTREAM, "restore", "-config", self._config, "-o", target, self.database,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return await process.wait() == 0


async def until(met) -> None:
    async with asyncio.timeout(HANG_S):
        while not met():
            await asyncio.sleep(0.02)


@pytest.fixture
async def daemon(make_daemon: MakeDaemon, sink: Sink, tmp_path: Path) -> ProcessDaemon:
    folder = tmp_path / "data"
    folder.mkdir()
    daemon = make_daemon(sink.url, directory=folder)
    await daemon.start()
    return daemon


@pytest.fixture
async def litestream(daemon: ProcessDaemon, tmp_path: Path) -> AsyncIterator[Litestream]:
    litestream = Litestream(tmp_path, daemon.database)
    yield litestream
    await litestream.stop(kill=True)


async def post(daemon: ProcessDaemon, http: aiohttp.ClientSession, count: int) -> set[str]:
    """Have `count` webhooks acknowledged, many at once."""

    async def some(number: int) -> set[str]:
        acked = set()
        for _ in range(number):
            status, document, _ = await daemon.post(http, b'{"pad":"%s"}' % (b"x" * 2000))
            assert status == 202  # a checkpoint of Litestream's is too short to be noticed
            acked.add(document["event_id"])
        return acked

    return set().union(*await asyncio.gather(*(some(count // 8) for _ in range(8))))


def lose_the_disk(daemon: ProcessDaemon) -> None:
    shutil.rmtree(daemon.database.parent)
    daemon.database.parent.mkdir()


async def test_every_acknowledged_event_comes_back(
    daemon: ProcessDaemon,
    litestream: Litestream,
    sink: Sink,
    http: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    """Through checkpoints under load, a kill, a restart, and the loss of the disk."""
    await litestream.start()
    acked = await post(daemon, http, 4800)  # more than once through wal_autocheckpoint's 4000 pages
    await daemon.kill()
    await daemon.start()
    acked |= await post(daemon, http, 400)
    assert await daemon.terminate() == 0
    await daemon.start()
    acked |= await post(daemon, http, 400)
    await daemon.kill()
    await litestream.stop()
    lose_the_disk(daemon)

    copy = tmp_path / "from-replica.db"
    assert await litestream.restored(copy)
    run("restore", copy, "--config", daemon._config)
    daemon.check_database()
    assert acked <= await ids_in(daemon.database)
    await daemon.start()
    await sink.wait_until(lambda: acked <= set(sink.event_ids()))
    acked |= await post(daemon, http, 80)
    assert await daemon.terminate() == 0

    # And on it goes, from a database that Litestream has not seen before.
    await daemon.start()
    await litestream.start()
    acked |= await post(daemon, http, 80)
    await daemon.kill()
    await litestream.stop()
    lose_the_disk(daemon)
    assert await litestream.restored(copy)
    assert acked <= await ids_in(copy)


async def test_what_it_had_sent_is_there_though_all_was_killed(
    daemon: ProcessDaemon, litestream: Litestream, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Replication is behind by its sync-interval: what came before that is whole."""
    await litestream.start()
    acked = await post(daemon, http, 400)
    copy = tmp_path / "from-replica.db"
    async with asyncio.timeout(HANG_S):
        while not (await litestream.restored(copy) and acked <= await ids_in(copy)):
            pass
    later = await post(daemon, http, 400)
    await asyncio.gather(daemon.kill(), litestream.stop(kill=True))
    lose_the_disk(daemon)
    assert await litestream.restored(copy)
    found = await ids_in(copy)
    assert acked <= found <= acked | later


async def test_nothing_is_restored_under_litestream(
    daemon: ProcessDaemon, litestream: Litestream, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """It would go on with the file that was replaced. It says who has it, and changes nothing."""
    await post(daemon, http, 8)
    run("backup", tmp_path / "backup.db", "--config", daemon._config)
    since = await post(daemon, http, 8)
    await litestream.start()
    assert await daemon.terminate() == 0
    restore = await start("restore", tmp_path / "backup.db", "--config", daemon._config)
    assert await restore.wait() == 1
    assert since <= await ids_in(daemon.database)
    await litestream.stop()
    run("restore", tmp_path / "backup.db", "--config", daemon._config)
    assert not since & await ids_in(daemon.database)
