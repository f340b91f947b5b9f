"""Copies of the store: one state of it, read back."""

import asyncio
import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from nouns import NOW_MS, an_attempt
from rig_copies import fill, ids_in, old

from dispatchd.errors import StoreUnavailable, StoreUnusable
from dispatchd.model import Delivered
from dispatchd.store.sqlite import SqliteStore, copying
from dispatchd.store.sqlite.copies import SqliteCopies
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION


@pytest.fixture
def store(sqlite_store: SqliteStore) -> SqliteStore:
    return sqlite_store


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
