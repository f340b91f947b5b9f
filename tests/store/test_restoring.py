"""How a copy takes the place of the store, and what is kept."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from rig_copies import fill, ids_in, old

from dispatchd.errors import AlreadyRunning, StoreUnavailable, StoreUnusable
from dispatchd.store.sqlite import SqliteStore, files, restoring
from dispatchd.store.sqlite.copies import SqliteCopies
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION


@pytest.fixture
def store(sqlite_store: SqliteStore) -> SqliteStore:
    return sqlite_store


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
