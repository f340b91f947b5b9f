"""Every database that a daemon ever left is upgraded whole, or not at all, and a copy kept."""

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from released import EVENTS, RELEASED, asked, last_received_ms, unpack

from dispatchd.errors import StoreUnusable
from dispatchd.store.base import EventQuery
from dispatchd.store.sqlite import SqliteStore, files
from dispatchd.store.sqlite.upgrade import BACKUPS_KEPT, SCHEMA_VERSION, backup_path
from dispatchd.store.upgrade import UpgradeStep

OWED = "SELECT destination, status, count(*) FROM deliveries GROUP BY 1, 2 ORDER BY 1, 2"
LEFT = [
    ("bad", "failed", EVENTS),
    ("down", "retrying", EVENTS),
    ("good", "success", EVENTS),
    ("slow", "queued", EVENTS),
]
SHAPE = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
VERSION = "PRAGMA user_version"


async def opened(path: Path, **options: object) -> list[UpgradeStep]:
    """Open and close; return what was told."""
    steps: list[UpgradeStep] = []
    store = SqliteStore(str(path))
    await store.open(tell=steps.append, **options)  # type: ignore[arg-type]
    await store.close()
    return steps


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_there_is_a_database_of_every_earlier_schema() -> None:
    """Whoever makes schema 11 keeps one of schema 10: make.py beside them says how."""
    today = {SCHEMA_VERSION} & set(RELEASED)
    assert set(RELEASED) == {*range(1, SCHEMA_VERSION), *today}


@pytest.mark.parametrize("schema", RELEASED)
async def test_an_upgraded_database_is_as_a_fresh_one(schema: int, tmp_path: Path) -> None:
    path = unpack(schema, tmp_path / "old.db")
    assert (asked(path, VERSION), asked(path, OWED)) == ([(schema,)], LEFT)
    await opened(path)
    await opened(tmp_path / "fresh.db")
    assert asked(path, SHAPE) == asked(tmp_path / "fresh.db", SHAPE)
    for pragma in (VERSION, "PRAGMA auto_vacuum", "PRAGMA journal_mode", "PRAGMA page_size"):
        assert asked(path, pragma) == asked(tmp_path / "fresh.db", pragma)
    assert asked(path, "PRAGMA integrity_check") == [("ok",)]
    assert asked(path, OWED) == LEFT


@pytest.mark.parametrize("schema", RELEASED)
async def test_what_it_held_can_be_read(schema: int, tmp_path: Path) -> None:
    path = unpack(schema, tmp_path / "old.db")
    now_ms = last_received_ms(path) + 86_400_000
    store = SqliteStore(str(path))
    await store.open()
    found = await store.find_events(EventQuery())
    assert len(found) == EVENTS
    story = await store.get_event(found[0].id)
    assert story is not None
    assert story.event.event_type == "opened"
    assert {delivery.destination for delivery in story.deliveries} == {
        *("bad", "down", "good", "slow")
    }
    assert {(attempt.destination, attempt.status_code) for attempt in story.attempts} == {
        ("bad", 500),
        ("down", None),
        ("good", 200),
    }
    assert set(story.held) == {"down"}  # it was not in the last config
    for name in ("slow", "down"):
        due = await store.claim(name, now_ms, 100, 1_000_000)
        assert len(due.ready) == EVENTS
    assert (await store.stats(0)).database_bytes > 0
    await store.close()


@pytest.mark.parametrize("schema", [n for n in RELEASED if n < SCHEMA_VERSION])
async def test_a_copy_from_before_is_beside_it(schema: int, tmp_path: Path) -> None:
    path = unpack(schema, tmp_path / "old.db")
    steps = await opened(path)
    copy = Path(backup_path(str(path), schema))
    assert copy == tmp_path / f"old.db.schema-{schema}.backup"
    assert (asked(copy, VERSION), asked(copy, OWED)) == ([(schema,)], LEFT)
    assert asked(copy, "PRAGMA integrity_check") == [("ok",)]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [step.doing for step in steps] == ["copy", "check", "change", "done"]
    assert {(s.before, s.after, s.backup) for s in steps} == {(schema, SCHEMA_VERSION, str(copy))}
    assert await opened(path) == []  # once


async def test_without_a_copy_where_that_is_said(tmp_path: Path) -> None:
    path = unpack(1, tmp_path / "old.db")
    steps = await opened(path, backup=False)
    assert [(step.doing, step.backup) for step in steps] == [("change", ""), ("done", "")]
    assert not Path(backup_path(str(path), 1)).exists()
    assert asked(path, VERSION) == [(SCHEMA_VERSION,)]


async def test_a_fresh_database_is_no_upgrade(tmp_path: Path) -> None:
    assert await opened(tmp_path / "fresh.db") == []
    assert names(tmp_path) == ["fresh.db"]


async def test_many_at_once_upgrade_it_once(tmp_path: Path) -> None:
    path = unpack(1, tmp_path / "old.db")
    told = await asyncio.gather(*(opened(path) for _ in range(5)))
    assert sorted(len(steps) for steps in told) == [0, 0, 0, 0, 4]
    assert names(tmp_path) == ["old.db", "old.db.schema-1.backup"]


async def test_the_last_copies_are_kept(tmp_path: Path) -> None:
    """Those of other databases are nobody's business here."""
    other = tmp_path / "old.db2.schema-1.backup"
    other.write_text("another's")
    for schema in (1, 2, 3, 4):
        path = unpack(schema, tmp_path / "old.db")
        await opened(path)
    assert BACKUPS_KEPT == 2
    copies = [name for name in names(tmp_path) if name.endswith(".backup")]
    assert copies == ["old.db.schema-3.backup", "old.db.schema-4.backup", other.name]


async def test_a_copy_replaces_one_of_the_same_version(tmp_path: Path) -> None:
    path = unpack(1, tmp_path / "old.db")
    copy = Path(backup_path(str(path), 1))
    copy.write_text("of an earlier upgrade that was taken back")
    await opened(path)
    assert asked(copy, OWED) == LEFT


async def test_an_upgrade_under_a_running_daemon_is_refused(tmp_path: Path) -> None:
    """A command of the new version, while the daemon is still the old one."""
    path = unpack(1, tmp_path / "old.db")
    daemon = files.lock(str(path))
    with pytest.raises(StoreUnusable, match="in use by a dispatchd of that time: restart it"):
        await opened(path)
    assert asked(path, VERSION) == [(1,)]
    os.close(daemon)
    store = SqliteStore(str(path))
    store.lock()  # the new daemon itself
    await store.open()
    await store.close()
    assert asked(path, VERSION) == [(SCHEMA_VERSION,)]


async def test_a_copy_that_cannot_be_made_keeps_it_as_it_was(tmp_path: Path) -> None:
    path = unpack(1, tmp_path / "old.db")
    Path(f"{backup_path(str(path), 1)}.part").mkdir()
    with pytest.raises(StoreUnusable, match="cannot be copied first: Is a directory; make room"):
        await opened(path)
    assert asked(path, VERSION) == [(1,)]


async def test_a_newer_schema_is_refused_and_the_copy_from_before_named(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    await opened(path)
    asked(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    known = f"made by a newer dispatchd; this one knows up to {SCHEMA_VERSION}"
    with pytest.raises(StoreUnusable, match=f"{known}$"):
        await opened(path)
    copy = Path(backup_path(str(path), SCHEMA_VERSION))
    copy.touch()
    with pytest.raises(StoreUnusable, match=f"{known}; {copy} is a copy from before$"):
        await opened(path)


KILLED = """
import os, sqlite3, sys
from dispatchd.store.sqlite.upgrade import upgrade

def tell(step):
    if step.doing == sys.argv[2]:
        os.kill(os.getpid(), 9)

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
upgrade(connection, sys.argv[1], tell=tell)
"""


@pytest.mark.parametrize("doing", ["copy", "check", "change", "done"])
async def test_killed_at_any_part_it_is_upgraded_the_next_time(doing: str, tmp_path: Path) -> None:
    path = unpack(1, tmp_path / "old.db")
    script = textwrap.dedent(KILLED)
    ran = subprocess.run([sys.executable, "-c", script, path, doing], check=False)
    assert ran.returncode == -9
    assert asked(path, VERSION) == [(SCHEMA_VERSION if doing == "done" else 1,)]
    assert asked(path, OWED) == LEFT
    await opened(path)
    copy = Path(backup_path(str(path), 1))
    assert (asked(path, VERSION), asked(path, OWED)) == ([(SCHEMA_VERSION,)], LEFT)
    assert (asked(copy, VERSION), asked(copy, OWED)) == ([(1,)], LEFT)
    left = {"old.db", "old.db.schema-1.backup"} | ({"old.db.upgrade"} if doing == "done" else set())
    assert set(names(tmp_path)) == left
