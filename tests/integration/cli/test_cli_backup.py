"""`dispatchd backup` of a real database."""

import sqlite3

import pytest

from dispatchd.errors import StoreUnavailable
from dispatchd.store.sqlite import SqliteStore


def test_copies_whole_and_private(world):
    event = world.add("crm")
    target = world.directory / "copy.db"
    ran = world.dispatchd("backup", target)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Wrote {target}, ")
    assert target.stat().st_mode & 0o777 == 0o600
    world.database.unlink()
    target.rename(world.database)
    assert world.dispatchd("show", event.id).code == 0


def test_json(world):
    world.add()
    target = world.directory / "copy.db"
    ran = world.dispatchd("backup", target, "--json")
    assert ran.json() == {"file": str(target), "bytes": target.stat().st_size}


def test_while_the_database_is_in_use(world):
    world.add()
    other = sqlite3.connect(world.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE events SET endpoint = 'uncommitted'")
    try:
        target = world.directory / "copy.db"
        assert world.dispatchd("backup", target).code == 0
    finally:
        other.close()
    copy = sqlite3.connect(target)
    assert copy.execute("SELECT endpoint FROM events").fetchall() == [("my-slug",)]
    copy.close()


@pytest.mark.parametrize("make", ["file", "dangling link"])
def test_overwrites_nothing(world, make):
    world.add()
    target = world.directory / "copy.db"
    if make == "file":
        target.write_text("precious")
    else:
        target.symlink_to(world.directory / "elsewhere")
    ran = world.dispatchd("backup", target)
    assert ran.code == 1
    assert "exists already" in ran.err
    assert target.is_symlink() or target.read_text() == "precious"


def test_a_file_that_appears_meanwhile_is_kept(world, monkeypatch):
    world.add()
    target = world.directory / "copy.db"
    real = SqliteStore.backup

    async def backup(self, path):
        await real(self, path)
        target.write_text("precious")

    monkeypatch.setattr(SqliteStore, "backup", backup)
    ran = world.dispatchd("backup", target)
    assert (ran.code, target.read_text()) == (1, "precious")
    assert "exists already" in ran.err
    assert leftovers(world) == []


def leftovers(world) -> list[str]:
    return [path.name for path in world.directory.iterdir() if ".part" in path.name]


def test_a_missing_directory_is_said(world):
    world.add()
    ran = world.dispatchd("backup", world.directory / "no" / "copy.db")
    assert ran.code == 1
    assert "No such file or directory" in ran.err


def test_a_failed_copy_leaves_nothing_behind(world, monkeypatch):
    world.add()

    async def backup(self, path):
        with open(path, "wb") as file:  # noqa: PTH123 - half a copy
            file.write(b"SQLite format 3\0")
        raise StoreUnavailable("full", "the database is on a full disk")

    monkeypatch.setattr(SqliteStore, "backup", backup)
    ran = world.dispatchd("backup", world.directory / "copy.db")
    assert ran.code == 1
    assert "no backup was made: " in ran.err
    assert leftovers(world) == []
    assert not (world.directory / "copy.db").exists()


def test_a_damaged_copy_is_no_backup(world, monkeypatch):
    for _ in range(20):
        world.add("crm", "audit", body=b"x" * 4000)
    real = SqliteStore.backup

    async def backup(self, path):
        await real(self, path)
        with open(path, "r+b") as file:  # noqa: PTH123 - a few pages of it
            file.seek(3 * 4096)
            file.write(b"\xff" * 8 * 4096)

    monkeypatch.setattr(SqliteStore, "backup", backup)
    ran = world.dispatchd("backup", world.directory / "copy.db")
    assert ran.code == 1
    assert "damaged" in ran.err
    assert not (world.directory / "copy.db").exists()
    assert leftovers(world) == []
