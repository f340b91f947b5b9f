"""The SQLite store's files: private, known again, migrated; seen from the file system."""

import asyncio
import fcntl
import os
import re
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nouns import NOW_MS, an_event

from dispatchd.errors import AlreadyRunning, StoreUnavailable, StoreUnusable
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.store.base import EventQuery
from dispatchd.store.retention import Cuts, Space, prune_all
from dispatchd.store.sqlite import SqliteStore, files
from dispatchd.store.sqlite.copies import SqliteCopies
from dispatchd.store.sqlite.rows import event_to_row, schema, to_key
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    await store.add_event(an_event(), [])
    yield store
    await store.close()


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_every_file_is_its_owners_alone(tmp_path: Path, umask: None) -> None:
    store = SqliteStore(str(tmp_path / "s.db"))
    store.lock()
    await store.open()
    await store.add_event(an_event(), [])
    SqliteCopies(str(tmp_path / "s.db")).make(str(tmp_path / "copy.db"))
    names = ("s.db", "s.db-wal", "s.db-shm", "s.db.lock", "copy.db")
    assert modes(tmp_path) == dict.fromkeys(names, 0o600)
    assert store.warnings() == []
    await store.close()


async def test_the_file_behind_a_link_is_private_too(tmp_path: Path, umask: None) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "s.db").symlink_to(tmp_path / "disk" / "real.db")
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    await store.add_event(an_event(), [])
    assert modes(tmp_path / "disk") == dict.fromkeys(
        ("real.db", "real.db-wal", "real.db-shm"), 0o600
    )
    await store.check()
    await store.close()


async def test_a_database_that_others_may_read_keeps_its_mode_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.touch()
    path.chmod(0o640)
    store = SqliteStore(str(path))
    await store.open()
    (sentence,) = store.warnings()
    assert "has mode 0640" in sentence
    assert modes(tmp_path)["s.db"] == 0o640
    await store.close()


@pytest.mark.parametrize("trap", ["link", "hard link", "letter", "fifo"])
async def test_a_lock_never_follows_a_link_or_empties_somebodys_file(
    tmp_path: Path, trap: str
) -> None:
    lock, letter = tmp_path / "s.db.lock", tmp_path / "letter"
    letter.write_text("dear mother")
    if trap == "link":
        lock.symlink_to(letter)
    elif trap == "hard link":
        lock.hardlink_to(letter)
    elif trap == "letter":
        letter.rename(lock)
        letter = lock
    else:
        os.mkfifo(lock)
    store = SqliteStore(str(tmp_path / "s.db"))
    with pytest.raises(StoreUnusable, match=r"s\.db\.lock"):
        store.lock()
    assert letter.read_text() == "dear mother"
    await store.close()


@pytest.mark.parametrize("name", ["s.db", "s.db-wal", "s.db-shm"])
@pytest.mark.parametrize("replaced", [True, False])
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    store: SqliteStore, tmp_path: Path, name: str, replaced: bool
) -> None:
    """And all goes on when the original is put back."""
    path, aside = tmp_path / name, tmp_path / "aside"
    path.rename(aside)
    if replaced:
        path.write_bytes(aside.read_bytes())
    asks: list[Callable[[], Awaitable[Any]]] = [store.check, store.ping]
    if name != "s.db-shm":  # it holds no data: a commit does not ask for it
        asks.append(lambda: store.add_event(an_event(), ["crm"]))
    for ask in asks:
        with pytest.raises(StoreUnavailable, match=rf"{re.escape(name)} was deleted") as caught:
            await ask()
        assert caught.value.reason == "replaced"
    aside.replace(path)
    await store.check()
    await store.ping()
    await store.add_event(an_event(), ["crm"])
    assert len(await store.find_events(EventQuery())) == 2


@pytest.mark.parametrize(("disk_bytes", "pages"), [(100 * 2**20, 1000), (2 * 2**30, 4000)])
async def test_no_checkpoint_takes_all_that_a_small_disk_keeps_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_bytes: int, pages: int
) -> None:
    """By default a twentieth of it stays free: 16 MiB of large events at once are more than that.

    A disk of 100 MiB went from enough to nothing within a checkpoint, and no result could be
    written any more.
    """
    monkeypatch.setattr(files, "space", lambda _: Space(disk_bytes // 2, disk_bytes))
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    asked = await store._open_writer().run(
        lambda writer: writer.execute("PRAGMA wal_autocheckpoint").fetchall()
    )
    await store.close()
    assert asked == [(pages,)]


async def test_the_file_itself_shrinks(store: SqliteStore, tmp_path: Path) -> None:
    events = [an_event(body=bytes(20_000)) for _ in range(300)]
    await asyncio.gather(*(store.add_event(event, []) for event in events))
    await store.close()
    full_bytes = (tmp_path / "s.db").stat().st_size
    assert full_bytes > 6_000_000
    pruner = SqliteStore(str(tmp_path / "s.db"))
    await pruner.open()
    assert [n async for n in prune_all(pruner, Cuts(NOW_MS + 1, NOW_MS + 1))]
    await pruner.close()
    assert (tmp_path / "s.db").stat().st_size < full_bytes / 10


async def test_prune_ends_where_no_space_can_be_given_back(tmp_path: Path) -> None:
    """A database made without auto_vacuum has free pages for ever."""
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.executescript(f"{schema(1)}; PRAGMA user_version = 1;")
    connection.close()
    store = SqliteStore(str(tmp_path / "s.db"))
    await store.open()
    await store.add_event(an_event(body=bytes(100_000)), [])
    cuts = Cuts(NOW_MS + 1, NOW_MS + 1)
    assert sum([n.events async for n in prune_all(store, cuts)]) == 1
    await store.close()


# As version 1 wrote it: of the columns that have been added since, it knew none.
ADD_EVENT_1 = """
INSERT INTO events (id, endpoint, endpoint_id, received_ms, event_type, source_ip, status,
                    filtered_by, content_type, headers, body, auth)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_DELIVERY_1 = """
INSERT INTO deliveries (event_id, destination, status, due_ms) VALUES (?, ?, 'queued', ?)
"""


def version_1(path: Path) -> list[bytes]:
    """Make a database as version 1 left it, with a backlog; return its events' keys."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"{schema(1)}; PRAGMA user_version = 1;")
    events = [an_event() for _ in range(200)]
    keys = [to_key(event.id) for event in events]
    rows = [event_to_row(e, key)[:12] for e, key in zip(events, keys, strict=True)]
    connection.executemany(ADD_EVENT_1, rows)
    connection.executemany(ADD_DELIVERY_1, [(key, "crm", NOW_MS) for key in keys])
    connection.execute("INSERT INTO lanes VALUES ('crm', NULL), ('old', 'not in the config')")
    connection.execute("INSERT INTO idempotency VALUES (x'01', 'k', ?, ?)", (keys[0], NOW_MS + 9))
    connection.commit()
    connection.close()
    return keys


async def test_a_database_of_version_1_is_migrated_with_its_backlog(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    keys = version_1(path)
    stores = [SqliteStore(str(path)) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))  # one of them is first
    due = await stores[0].claim("crm", NOW_MS, 1000, 8_000_000)
    assert [to_key(delivery.event_id) for delivery, _ in due.ready] == keys
    assert await stores[0].kept_time() == 0
    assert await stores[0].forget(NOW_MS + 9) == 1
    for store in stores:
        await store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert connection.execute("SELECT destination FROM lanes").fetchall() == [("crm",), ("old",)]
    assert connection.execute("SELECT * FROM holds").fetchall() == [
        ("old", "config", "", None, None)
    ]
    connection.close()


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    version_1(path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE clock (in_the_way)")
    connection.commit()
    store = SqliteStore(str(path))
    with pytest.raises(StoreUnusable):
        await store.open()
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert len(connection.execute("PRAGMA table_info(lanes)").fetchall()) == 2
    connection.close()


async def test_who_looks_for_a_daemon_keeps_none_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "s.db")
    os.close(files.lock(path))
    looker = os.open(f"{path}.lock", os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    waits: list[float] = []

    def look_is_over(seconds: float) -> None:
        waits.append(seconds)
        fcntl.flock(looker, fcntl.LOCK_UN)

    monkeypatch.setattr("dispatchd.store.sqlite.files.time.sleep", look_is_over)
    os.close(files.lock(path))
    assert len(waits) == 1
    os.close(looker)


async def test_a_lock_file_that_cannot_be_opened_may_be_a_daemons(tmp_path: Path) -> None:
    path = str(tmp_path / "s.db")
    assert not files.locked(path)
    (tmp_path / "s.db.lock").symlink_to(tmp_path / "elsewhere")
    assert files.locked(path)


async def test_a_second_daemon_is_refused_by_whatever_link_it_comes(tmp_path: Path) -> None:
    """Through a symbolic link it found another lock file, and sent everything a second time."""
    first = SqliteStore(str(tmp_path / "s.db"))
    first.lock()
    await first.open()
    (tmp_path / "link.db").symlink_to(tmp_path / "s.db")
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    for name in ("link.db", "elsewhere/s.db", "elsewhere/link.db"):
        second = SqliteStore(str(tmp_path / name))
        with pytest.raises(AlreadyRunning):
            second.lock()
    await first.close()


async def test_the_day_before_the_counts_is_counted(tmp_path: Path) -> None:
    """A database of schema 5 tells in `stats` what came in its last day."""
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    for version in range(1, 6):
        connection.executescript(schema(version))
    connection.execute("PRAGMA user_version = 5")
    now_ms = time.time_ns() // 1_000_000
    for n, received_ms in enumerate((now_ms, now_ms, now_ms - 3 * 86_400_000)):
        key = bytes([n]) * 16
        connection.execute(
            "INSERT INTO events (id, endpoint, endpoint_id, received_ms, status, content_type,"
            " headers, body) VALUES (?, 'a', ?, ?, 'received', 'x', '[]', x'7b7d')",
            (key, key, received_ms),
        )
        connection.execute(
            "INSERT INTO deliveries (event_id, destination, status, attempts, due_ms)"
            " VALUES (?, 'crm', 'success', 1, 1)",
            (key,),
        )
    connection.commit()
    connection.close()
    store = SqliteStore(str(path))
    await store.open()
    stats = await store.stats(now_ms - 86_400_000 + 3_600_000)
    assert stats.events == {EventStatus.RECEIVED: 2}
    assert [d.counts for d in stats.destinations] == [{DeliveryStatus.SUCCESS: 2}]
    await store.close()
