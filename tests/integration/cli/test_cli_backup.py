"""`dispatchd backup` of a real database."""

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from printed import shape

from dispatchd.cli import rotation
from dispatchd.cli.rotation import backup_name, outlived
from dispatchd.errors import StoreUnavailable
from dispatchd.store.sqlite import copying
from dispatchd.store.sqlite.copies import SqliteCopies


def test_copies_whole_and_private(world):
    event = world.add("crm")
    target = world.directory / "copy.db"
    ran = world.dispatchd("backup", target)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Wrote {target}, ")
    assert "1 event, 1 delivery, 1 of them owed; read back and checked" in ran.out
    assert target.stat().st_mode & 0o777 == 0o600
    world.database.unlink()
    target.rename(world.database)
    assert world.dispatchd("show", event.id).code == 0


def test_json(world):
    event = world.add("crm", "audit")
    world.deliver(event, "crm")
    target = world.directory / "copy.db"
    told = world.dispatchd("backup", target, "--json").json()
    assert told.pop("took_ms") >= 0
    assert told.pop("last_received").endswith("Z")
    assert told.pop("schema") >= 8
    assert told == {
        "file": str(target),
        "bytes": target.stat().st_size,
        "events": 1,
        "deliveries": 2,
        "owed": 1,
        "deleted": [],
    }


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
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT endpoint FROM events").fetchall() == [("my-slug",)]


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


def meddle(monkeypatch, after):
    """Have something happen between the copying and the check."""
    real = copying.sync

    def sync(file, *, forget=False):
        real(file, forget=forget)
        after(file)

    monkeypatch.setattr(copying, "sync", sync)


def test_a_file_that_appears_meanwhile_is_kept(world, monkeypatch):
    world.add()
    target = world.directory / "copy.db"
    meddle(monkeypatch, lambda _: target.write_text("precious"))
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


def test_a_missing_database_is_no_empty_backup(world):
    ran = world.dispatchd("backup", world.directory / "copy.db")
    assert ran.code == 1
    assert "there is no database" in ran.err
    assert not (world.directory / "copy.db").exists()


def test_a_failed_copy_leaves_nothing_behind(world, monkeypatch):
    world.add()

    def make(_self, target):
        Path(target).write_bytes(b"SQLite format 3\0")  # half a copy
        raise StoreUnavailable("full", "the database is on a full disk")

    monkeypatch.setattr(SqliteCopies, "make", make)
    ran = world.dispatchd("backup", world.directory / "copy.db")
    assert ran.code == 1
    assert "no backup was made: " in ran.err
    assert leftovers(world) == []
    assert not (world.directory / "copy.db").exists()


def damage(file):
    with open(file, "r+b") as copy:  # noqa: PTH123 - a few pages of it
        copy.seek(3 * 4096)
        copy.write(b"\xff" * 8 * 4096)


@pytest.mark.parametrize("target", ["copy.db", "backups"])
def test_a_damaged_copy_is_no_backup_and_costs_no_older_one(world, monkeypatch, target):
    for _ in range(20):
        world.add("crm", "audit", body=b"x" * 4000)
    backups = world.directory / "backups"
    backups.mkdir()
    older = backups / backup_name(str(world.database), 1)
    older.write_text("an older one")
    meddle(monkeypatch, damage)
    keep = ["--keep", "1"] if target == "backups" else []
    ran = world.dispatchd("backup", world.directory / target, *keep)
    assert ran.code == 1
    assert "the copy is damaged" in ran.err
    assert not (world.directory / "copy.db").exists()
    assert leftovers(world) == []
    assert list(backups.iterdir()) == [older]


def test_in_a_directory_the_oldest_go(world):
    world.add()
    backups = world.directory / "backups"
    backups.mkdir()
    database = str(world.database)
    old = [backups / backup_name(database, n * 86_400_000) for n in range(4)]
    others = [
        backups / "dispatchd.db",
        backups / "dispatchd-1970-01-01.db",
        backups / "other-1970-01-01T000000.000Z.db",
        backups / f"{old[0].name}.gz",
    ]
    for path in (*old, *others):
        path.touch()
    (backups / backup_name(database, 5)).mkdir()
    (backups / backup_name(database, 6)).symlink_to(old[0])
    ran = world.dispatchd("backup", backups, "--keep", "3", "--json")
    told = ran.json()
    assert told["deleted"] == [str(old[0]), str(old[1])]
    assert [path.exists() for path in old] == [False, False, True, True]
    assert all(path.exists() for path in others)
    assert Path(told["file"]).parent == backups
    assert Path(told["file"]).stat().st_mode & 0o777 == 0o600
    ran = world.dispatchd("backup", backups, "--keep", "3")
    assert f"Deleted {old[2]}.\n" in ran.out


def test_the_new_one_stays_though_the_clock_was_set_back(tmp_path):
    future = [tmp_path / backup_name("d.db", 4_000_000_000_000 + n) for n in range(3)]
    new = tmp_path / backup_name("d.db", 1_000_000_000_000)
    for path in (*future, new):
        path.touch()
    assert outlived(tmp_path, "/var/lib/d.db", 2, new) == future[:2]
    assert outlived(tmp_path, "/var/lib/d.db", 1, new) == future
    assert outlived(tmp_path, "/var/lib/d.db", 9, new) == []


def test_keep_needs_a_directory(world):
    world.add()
    for target in (world.directory / "copy.db", "-"):
        ran = world.dispatchd("backup", target, "--keep", "3")
        assert ran.code == 2
        assert "--keep needs a DIRECTORY" in ran.err


def test_what_a_killed_backup_left_is_swept_when_it_is_old(world):
    world.add()
    old, young = (world.directory / f"{rotation.PART}{n}.part" for n in "01")
    for path in (old, world.directory / f"{old.name}-journal", young):
        path.touch()
    for path in (old, world.directory / f"{old.name}-journal"):
        os.utime(path, (1, 1))
    assert world.dispatchd("backup", world.directory / "copy.db").code == 0
    assert leftovers(world) == [young.name]


def stream(world, **options):
    return subprocess.run(
        [sys.executable, "-m", "dispatchd", "backup", "-", "--config", world.config],
        capture_output=True,
        check=False,
        **options,
    )


def test_to_standard_output(world):
    ids = [world.add("crm").id for _ in range(3)]
    ran = stream(world)
    assert ran.returncode == 0
    assert ran.stderr.startswith(b"Wrote ")
    assert b"3 events" in ran.stderr
    world.database.write_bytes(ran.stdout)
    assert all(world.dispatchd("show", event_id).code == 0 for event_id in ids)
    assert leftovers(world) == []


def test_nothing_comes_out_of_a_damaged_copy(world, monkeypatch):
    for _ in range(20):
        world.add("crm", "audit", body=b"x" * 4000)
    meddle(monkeypatch, damage)
    ran = world.dispatchd("backup", "-")
    assert (ran.code, ran.out) == (1, "")
    assert "the copy is damaged" in ran.err
    assert leftovers(world) == []


def test_no_database_goes_to_a_terminal(world, monkeypatch):
    world.add()
    assert world.dispatchd("backup", "-", "--json").code == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    ran = world.dispatchd("backup", "-")
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_a_failure(world, unbuffered):
    """Unbuffered, the half that was written passed for the whole."""
    for _ in range(50):
        world.add("crm", body=b"x" * 10_000)
    running = subprocess.Popen(
        [sys.executable, "-m", "dispatchd", "backup", "-", "--config", world.config],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.read(100)
    running.stdout.close()
    said = running.stderr.read()
    assert running.wait() == 1
    assert b"Traceback" not in said
    running.stderr.close()
    assert leftovers(world) == []


def on_a_full_disk():
    """As on one that is full once a file has 50 KB: for a file of that process alone."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_disk_that_fills_up_halfway(world, command):
    event = world.add("crm")
    copy = world.directory / "copy.db"
    assert world.dispatchd("backup", copy).code == 0
    file = world.directory / "other.db" if command == "backup" else copy
    ran = subprocess.run(
        [sys.executable, "-m", "dispatchd", command, file, "--config", world.config],
        capture_output=True,
        check=False,
        text=True,
        preexec_fn=on_a_full_disk,
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    names = {path.name for path in world.directory.iterdir()}
    assert names - {"dispatchd.db.lock"} == {"config.yaml", "dispatchd.db", "copy.db"}
    assert world.statuses(event) == {"crm": "queued"}


def test_the_docs_show_what_is_printed(world):
    world.add("crm")
    ran = world.dispatchd("backup", world.directory / "copy.db")
    docs = (Path(__file__).parents[3] / "docs" / "backup.md").read_text()
    (shown,) = [line for line in docs.splitlines() if line.startswith("Wrote ")]
    assert shape(shown) == shape(ran.out.strip())
