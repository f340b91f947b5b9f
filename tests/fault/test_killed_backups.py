"""`dispatchd backup` and `dispatchd restore`, killed: what was whole before is whole after."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from databases import ids_in, run, start
from killing import Killer
from nouns import an_event
from rig import Sink
from rig_process import MakeDaemon

from dispatchd.store.sqlite import SqliteStore

Ids = set[str]
NEVER = 10**9  # a step that no command comes to


@pytest.fixture
def killer() -> Iterator[Killer]:
    with Killer() as killer:
        yield killer


class Place:
    """A database as a SIGKILL of its daemon leaves it, with its -wal, and a backup of before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "s.db"
        self.backup = folder.parent / "backup.db"
        self.config = folder / "config.yaml"
        self.old: Ids = set()
        self.new: Ids = set()
        self._files: dict[str, bytes] = {}

    async def make(self) -> None:
        self.folder.mkdir()
        self.config.write_text(f"storage: {{url: 'sqlite:///{self.database}'}}\n")
        store = SqliteStore(str(self.database))
        await store.open()
        self.new = {await self._add(store) for _ in range(5)}
        run("backup", self.backup, "--config", self.config)
        self.old = self.new | {await self._add(store) for _ in range(5)}
        self._files = {
            path.name: path.read_bytes()
            for path in self.folder.iterdir()
            if not path.name.endswith(".lock")
        }
        await store.close()
        assert len(self._files["s.db-wal"]) > 0

    async def _add(self, store: SqliteStore) -> str:
        event = an_event()
        await store.add_event(event, ["crm"])
        return event.id

    def reset(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for name, content in self._files.items():
            (self.folder / name).write_bytes(content)

    async def holds(self) -> Ids:
        """Open the database as the daemon does; return what it holds."""
        return await ids_in(self.database)

    async def kept(self) -> list[Ids]:
        return [await ids_in(path) for path in self.folder.glob("s-replaced-*.db")]


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "place")
    await place.make()
    return place


async def test_a_restore_killed_at_each_step_leaves_the_old_or_the_new_one_whole(
    place: Place, killer: Killer
) -> None:
    place.reset()
    seen: list[bool] = []
    for step in killer.each_step("restore", place.backup, "--config", place.config):
        held = await place.holds()
        assert held in (place.old, place.new), step
        if held == place.new:
            assert place.old in await place.kept(), step
        seen.append(held == place.new)
        place.reset()
    assert await place.holds() == place.new
    assert place.old in await place.kept()
    # It was killed on both sides of the change, and never went back.
    assert seen == sorted(seen)
    assert seen.count(False) > 20
    assert seen.count(True) > 2


async def test_a_restore_that_was_killed_can_be_made_again(place: Place, killer: Killer) -> None:
    """Without anybody cleaning up, at whatever step it ended."""
    place.reset()
    for step in killer.each_step("restore", place.backup, "--config", place.config):
        if step % 8 == 0:
            assert killer.run(NEVER, "restore", place.backup, "--config", place.config) == 0
            assert await place.holds() == place.new, step
            assert any(place.old <= held for held in await place.kept()), step
            assert list(place.folder.glob(".*.part*")) == [], step
        place.reset()


async def test_a_restore_over_a_damaged_database_loses_no_byte_of_it(
    place: Place, killer: Killer
) -> None:
    """It cannot be made whole; what is left of it, and its -wal, is kept whatever happens."""
    place.reset()
    wal = (place.folder / "s.db-wal").read_bytes()

    def break_it() -> None:
        place.reset()
        place.database.write_bytes(b"broken" * 4000)

    break_it()
    for step in killer.each_step("restore", place.backup, "--config", place.config):
        contents = [path.read_bytes() for path in place.folder.iterdir()]
        assert b"broken" * 4000 in contents, step
        assert wal in contents, step
        break_it()
    assert await place.holds() == place.new


async def test_a_backup_killed_at_each_step_is_whole_or_not_there(
    place: Place, killer: Killer
) -> None:
    """And costs none of the older ones, and the database nothing."""
    place.reset()
    backups = place.folder.parent / "backups"
    backups.mkdir()
    old_names = [f"s-2020-01-0{n}T000000.000Z.db" for n in (1, 2, 3)]

    def reset() -> None:
        for path in backups.iterdir():
            path.unlink()
        for name in old_names:
            (backups / name).touch()

    reset()
    ours = re.compile(r"s-.*\.db")
    before = after = 0
    args = ("backup", backups, "--keep", "2", "--config", place.config)
    for step in killer.each_step(*args):
        new = [p for p in backups.iterdir() if ours.fullmatch(p.name) and p.name not in old_names]
        if new:
            after += 1
            assert [await ids_in(path) for path in new] == [place.old], step
        else:
            before += 1
            assert {p.name for p in backups.glob("s-*")} == set(old_names), step
        assert len(list(backups.glob("s-*"))) >= 2, step
        reset()
    assert before > 15
    assert after > 2
    assert await place.holds() == place.old
    assert len(list(backups.glob("s-*"))) == 2


async def test_killed_in_the_middle_of_copying_under_load(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """The daemon goes on; the next backup has all that was acknowledged before it began."""
    daemon = make_daemon(sink.url)
    await daemon.start()
    acked: list[str] = []
    for _ in range(60):
        status, document, _ = await daemon.post(http, b'{"pad":"%s"}' % (b"x" * 500_000))
        assert status == 202
        acked.append(document["event_id"])
    done = asyncio.Event()

    async def send() -> None:
        while not done.is_set():
            status, document, _ = await daemon.post(http, b"{}")
            assert status == 202
            acked.append(document["event_id"])

    sending = asyncio.create_task(send())
    killed = 0
    for _ in range(40):
        backup = await start("backup", tmp_path / "killed.db", "--config", daemon._config)
        killed += await killed_at_work(backup, tmp_path)
        (tmp_path / "killed.db").unlink(missing_ok=True)
        if killed == 3:
            break
    assert killed == 3
    known = set(acked)
    good = await start("backup", tmp_path / "good.db", "--config", daemon._config)
    assert await good.wait() == 0
    done.set()
    await sending
    assert known <= await ids_in(tmp_path / "good.db")
    await daemon.kill()
    daemon.check_database()

    sent_before = len(sink.received)
    restore = await start("restore", tmp_path / "good.db", "--config", daemon._config)
    assert await restore.wait() == 0
    with closing(sqlite3.connect(daemon.database)) as connection:
        (owed,) = connection.execute(
            "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
        ).fetchone()
    await daemon.start()
    await sink.wait_for(sent_before + owed)
    assert known <= set(sink.event_ids())  # those that the backup had as delivered, before
    assert await daemon.terminate() == 0
    daemon.check_database()


async def killed_at_work(backup: asyncio.subprocess.Process, folder: Path) -> bool:
    """Kill a backup once its copy has begun to grow; False where it was done before."""
    while backup.returncode is None:
        parts = list(folder.glob(".*.part"))
        if any(path.stat().st_size > 0 for path in parts):
            backup.kill()
            break
        await asyncio.sleep(0)
    await backup.wait()
    for path in folder.glob(".*.part*"):
        path.unlink()
    if backup.returncode == 0:
        return False
    assert not (folder / "killed.db").exists()
    return True
