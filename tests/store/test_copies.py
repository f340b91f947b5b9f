"""Copies of the store: one state of it, read back; and how one takes its place."""

import asyncio
import itertools
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.errors import AlreadyRunning, StoreUnavailable, StoreUnusable
from dispatchd.model import Delivered
from dispatchd.store.base import EventQuery
from dispatchd.store.sqlite import SqliteStore, copying, files, restoring
from dispatchd.store.sqlite.copies import SqliteCopies
from dispatchd.store.sqlite.rows import schema
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def copies(tmp_path: Path) -> SqliteCopies:
    return SqliteCopies(str(tmp_path / "s.db"))


async def fill(store: SqliteStore, count: int, body: bytes = b"{}") -> list[str]:
    events = [an_event(body=body) for _ in range(count)]
    await asyncio.gather(*(store.add_event(event, ["crm"]) for event in events))
    return [event.id for event in events]


async def ids_in(path: Path) -> set[str]:
    store = SqliteStore(str(path))
    await store.open()
    try:
        return {event.id for event in await store.find_events(EventQuery(limit=1000))}
    finally:
        await store.close()


async def test_a_copy_says_what_it_holds(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    ids = await fill(store, 3)
    (delivery,) = (await store.get_event(ids[0])).deliveries
    await store.record(delivery, an_attempt(delivery), Delivered())
    contents = copies.make(str(tmp_path / "copy.db"))
    assert (contents.events, contents.deliveries, contents.owed) == (3, 3, 2)
    assert contents.rows["attempts"] == 1
    assert (contents.schema, contents.newest_ms) == (SCHEMA_VERSION, NOW_MS)
    assert contents.size_bytes == (tmp_path / "copy.db").stat().st_size
    # It can be read where nothing can be written: it has no files beside it, and needs none.
    assert {path.name for path in tmp_path.glob("copy*")} == {"copy.db"}
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert await ids_in(tmp_path / "copy.db") == set(ids)


async def test_a_copy_is_one_state_however_much_is_written_meanwhile(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    """What is counted before the copying begins is what is in the copy: here writes come."""
    await fill(store, 200, bytes(20_000))
    done = asyncio.Event()

    async def write() -> int:
        count = 0
        while not done.is_set():
            await fill(store, 10)
            count += 10
        return count

    writing = asyncio.create_task(write())
    for n in range(3):
        contents = await asyncio.to_thread(copies.make, str(tmp_path / f"copy{n}.db"))
        assert contents.events == contents.deliveries  # of one transaction each
    done.set()
    assert await writing > 0


async def test_a_copy_is_written_out_bit_by_bit(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synced at its end alone, it held up the daemon's commits for a fifth of a second."""
    await fill(store, 200, bytes(20_000))
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        real(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(copying.os, "fdatasync", fdatasync)
    contents = copies.make(str(tmp_path / "copy.db"))
    assert len(synced) >= contents.size_bytes // (1024 * 1024) >= 3
    steps = [after - before for before, after in itertools.pairwise([0, *synced])]
    assert max(steps) < 4 * 1024 * 1024


async def test_rows_that_are_missing_in_the_copy_are_found(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, 3)
    real = copying.sync

    def lossy(file: str, *, forget: bool = False) -> None:
        with closing(sqlite3.connect(file)) as copy:
            copy.execute("DELETE FROM events WHERE seq = 2")
            copy.commit()
        real(file, forget=forget)

    monkeypatch.setattr(copying, "sync", lossy)
    with pytest.raises(StoreUnusable, match="2 rows of events, the database has 3"):
        copies.make(str(tmp_path / "copy.db"))


async def test_damage_in_the_database_is_found_in_the_copy(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    """An index that lacks a row: a copy that builds it anew would hide that."""
    await fill(store, 3)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as broken:
        broken.execute("PRAGMA writable_schema = ON")
        kept = broken.execute("SELECT * FROM sqlite_schema WHERE name = 'events_received'")
        (row,) = kept.fetchall()
        broken.execute("DELETE FROM sqlite_schema WHERE name = 'events_received'")
        broken.execute("PRAGMA writable_schema = RESET")
        broken.execute("DELETE FROM events WHERE seq = 1")
        broken.execute("PRAGMA writable_schema = ON")
        broken.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)
    with pytest.raises(StoreUnusable, match="damaged"):
        copies.make(str(tmp_path / "copy.db"))


async def test_a_copy_never_writes_through_a_link(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    (tmp_path / "copy.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        copies.make(str(tmp_path / "copy.db"))
    assert not (tmp_path / "elsewhere").exists()


async def test_a_copy_that_would_fill_the_disk_is_not_begun(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MARGIN_BYTES", 2**62)
    with pytest.raises(StoreUnavailable, match="free, and the copy takes") as caught:
        copies.make(str(tmp_path / "copy.db"))
    assert caught.value.reason == "full"


async def test_a_database_of_another_schema_is_copied_as_it_is(
    copies: SqliteCopies, tmp_path: Path
) -> None:
    """A backup before an upgrade must not be the upgrade."""
    old(tmp_path / "s.db")
    contents = copies.make(str(tmp_path / "copy.db"))
    assert (contents.schema, contents.known_schema) == (1, SCHEMA_VERSION)
    for name in ("s.db", "copy.db"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def old(path: Path, version: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{schema(1)}; PRAGMA user_version = {version};")


async def test_restoring_brings_back_what_was_and_keeps_what_there_is(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    before = await fill(store, 3)
    copies.make(str(tmp_path / "copy.db"))
    since = await fill(store, 2)
    await store.close()
    restored = copies.restore(str(tmp_path / "copy.db"))
    assert restored.contents.events == 3
    assert restored.kept_alone == 2
    kept = Path(restored.kept or "")
    assert kept.name.startswith("s-replaced-")
    assert kept.suffix == ".db"
    assert await ids_in(tmp_path / "s.db") == set(before)
    assert await ids_in(kept) == {*before, *since}
    assert (tmp_path / "copy.db").exists()
    assert not list(tmp_path.glob(".s.db.*"))


async def test_what_a_killed_daemon_left_in_its_wal_is_kept(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    """And is not played into what is restored."""
    before = await fill(store, 3)
    copies.make(str(tmp_path / "copy.db"))
    since = await fill(store, 2)
    left = tmp_path / "left"  # as a SIGKILL leaves it: with its -wal
    left.mkdir()
    for end in ("", "-wal", "-shm"):
        (left / f"s.db{end}").write_bytes((tmp_path / f"s.db{end}").read_bytes())
    restored = SqliteCopies(str(left / "s.db")).restore(str(tmp_path / "copy.db"))
    assert restored.kept_alone == 2
    assert await ids_in(left / "s.db") == set(before)
    assert await ids_in(Path(restored.kept or "")) == {*before, *since}


async def test_a_damaged_database_is_kept_with_all_that_is_beside_it(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    before = await fill(store, 3)
    copies.make(str(tmp_path / "copy.db"))
    await store.close()
    (tmp_path / "s.db").write_bytes(b"no database any more" * 500)
    (tmp_path / "s.db-wal").write_bytes(b"its wal")
    (tmp_path / "s.db-shm").write_bytes(b"its shm")
    restored = copies.restore(str(tmp_path / "copy.db"))
    assert restored.kept_alone is None
    kept = restored.kept or ""
    assert Path(kept).read_bytes() == b"no database any more" * 500
    assert Path(f"{kept}-wal").read_bytes() == b"its wal"
    assert Path(f"{kept}-shm").exists()
    assert not list(tmp_path.glob("s.db-*"))
    assert await ids_in(tmp_path / "s.db") == set(before)


async def test_a_wal_without_its_database_is_not_played_into_what_is_restored(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    before = await fill(store, 1)
    copies.make(str(tmp_path / "copy.db"))
    await fill(store, 3)
    new = tmp_path / "new"
    new.mkdir()
    (new / "s.db-wal").write_bytes((tmp_path / "s.db-wal").read_bytes())
    restored = SqliteCopies(str(new / "s.db")).restore(str(tmp_path / "copy.db"))
    assert restored.kept is None
    assert await ids_in(new / "s.db") == set(before)
    assert len(list(new.glob("s-replaced-*-wal"))) == 1


async def test_what_was_kept_can_be_restored_with_its_wal(
    store: SqliteStore, tmp_path: Path
) -> None:
    """A plain copy of the files of a database that nobody writes to is a backup too."""
    ids = await fill(store, 3)
    plain = tmp_path / "plain.db"
    for end in ("", "-wal"):
        (tmp_path / f"plain.db{end}").write_bytes((tmp_path / f"s.db{end}").read_bytes())
    assert (tmp_path / "plain.db-wal").stat().st_size > 0
    new = tmp_path / "new"
    new.mkdir()
    SqliteCopies(str(new / "s.db")).restore(str(plain))
    assert await ids_in(new / "s.db") == set(ids)
    assert (tmp_path / "plain.db-wal").stat().st_size > 0  # it is only read


async def test_nothing_is_restored_over_a_running_daemon(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    await fill(store, 1)
    copies.make(str(tmp_path / "copy.db"))
    since = await fill(store, 1)
    store.lock()
    with pytest.raises(AlreadyRunning):
        copies.restore(str(tmp_path / "copy.db"))
    assert since[0] in await ids_in(tmp_path / "s.db")


async def test_nothing_is_restored_from_under_a_running_daemon(
    store: SqliteStore, tmp_path: Path
) -> None:
    await fill(store, 1)
    store.lock()
    with pytest.raises(AlreadyRunning, match="make a backup"):
        SqliteCopies(str(tmp_path / "new.db")).restore(str(tmp_path / "s.db"))


async def test_nothing_is_restored_while_a_command_has_the_database(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await fill(store, 1)
    copies.make(str(tmp_path / "copy.db"))
    monkeypatch.setattr(restoring, "BUSY_S", 0.05)
    with pytest.raises(StoreUnavailable, match="another process has"):
        copies.restore(str(tmp_path / "copy.db"))
    assert await ids_in(tmp_path / "s.db") == set(ids)
    assert not list(tmp_path.glob("s-replaced-*"))
    await fill(store, 1)  # who has it open goes on


async def test_a_command_that_waited_writes_nothing_into_what_was_replaced(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path
) -> None:
    """It opened the file under its old name. A -wal of its own would go by that name."""
    await fill(store, 1)
    copies.make(str(tmp_path / "copy.db"))
    await store.close()
    late = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    late.execute("PRAGMA busy_timeout = 0")
    real_link = os.link

    def link(source: Path, target: Path) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            late.execute("PRAGMA page_count").fetchall()  # it has the file open now
        real_link(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restoring.os, "link", link)
        restored = copies.restore(str(tmp_path / "copy.db"))
    assert restored.kept is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        late.execute("PRAGMA journal_mode = WAL").fetchall()
    late.close()
    assert not (tmp_path / "s.db-wal").exists()


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 3;")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: old(path, SCHEMA_VERSION + 1), "made by a newer dispatchd"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + bytes(9000)), "is damaged"),
        (lambda path: path.write_text("a letter" * 1000), "is damaged, or no database"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is not a file"),
        (other_program, "of another program"),
        (lambda path: os.link(path.with_name("s.db"), path), "is the database itself"),
    ],
)
async def test_what_is_no_backup_changes_nothing(
    store: SqliteStore, copies: SqliteCopies, tmp_path: Path, make, said: str
) -> None:
    ids = await fill(store, 1)
    await store.close()
    make(tmp_path / "copy.db")
    with pytest.raises(StoreUnusable, match=said):
        copies.restore(str(tmp_path / "copy.db"))
    assert {path.name for path in tmp_path.iterdir()} == {"s.db", "s.db.lock", "copy.db"} - (
        {"s.db.lock"} if said in ("is not a file", "is the database itself") else set()
    )
    assert await ids_in(tmp_path / "s.db") == set(ids)


async def test_a_missing_backup_is_said_by_its_name(copies: SqliteCopies, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        copies.restore(str(tmp_path / "nothing.db"))
    assert caught.value.filename == str(tmp_path / "nothing.db")


async def test_an_old_backup_is_upgraded_by_the_next_start(
    copies: SqliteCopies, tmp_path: Path
) -> None:
    old(tmp_path / "copy.db")
    restored = copies.restore(str(tmp_path / "copy.db"))
    assert (restored.contents.schema, restored.kept) == (1, None)
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    await fill(store, 1)
    await store.close()


async def test_through_a_link_the_file_itself_is_replaced(
    copies: SqliteCopies, store: SqliteStore, tmp_path: Path
) -> None:
    before = await fill(store, 1)
    copies.make(str(tmp_path / "copy.db"))
    await store.close()
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "s.db").rename(disk / "s.db")
    (tmp_path / "s.db").symlink_to(disk / "s.db")
    restored = copies.restore(str(tmp_path / "copy.db"))
    assert (tmp_path / "s.db").is_symlink()
    assert Path(restored.kept or "").parent == disk
    assert await ids_in(disk / "s.db") == set(before)


async def test_the_database_stays_whose_it_was(
    copies: SqliteCopies, store: SqliteStore, tmp_path: Path
) -> None:
    await fill(store, 1)
    copies.make(str(tmp_path / "copy.db"))
    await store.close()
    (tmp_path / "s.db").chmod(0o640)
    as_root = os.geteuid() == 0
    if as_root:
        os.chown(tmp_path / "s.db", 1234, 1235)
    copies.restore(str(tmp_path / "copy.db"))
    for name in ("s.db", "s.db.lock"):
        found = (tmp_path / name).stat()
        assert (found.st_uid, found.st_gid) == ((1234, 1235) if as_root else mine())
    assert stat.S_IMODE((tmp_path / "s.db").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "s.db.lock").stat().st_mode) == files.PRIVATE


def mine() -> tuple[int, int]:
    return os.geteuid(), os.getegid()
