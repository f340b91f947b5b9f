"""`dispatchd restore` of a real database."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from printed import shape
from promised import promised

from dispatchd.store.sqlite import files
from dispatchd.store.sqlite.rows import schema


def backed_up(world) -> Path:
    target = world.directory / "copy.db"
    assert world.dispatchd("backup", target).code == 0
    return target


def test_brings_back_what_was_and_says_what_that_means(world):
    before = world.add("crm")
    world.add("crm", "audit")
    copy = backed_up(world)
    since = world.add("crm")
    world.deliver(before, "crm")
    ran = world.dispatchd("restore", copy)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"Restored {world.database} from {copy}, ")
    assert lines[1].startswith("It holds 2 events and 3 deliveries, 3 of them owed; the last ")
    assert lines[2].startswith(f"What was there is kept as {world.directory}/dispatchd-replaced-")
    assert lines[2].endswith(".db, with 1 event that the backup has not.")
    assert "delivered again" in lines[3]
    assert world.statuses(before) == {"crm": "queued"}
    assert world.dispatchd("show", since.id).code == 1


def test_the_docs_show_what_is_printed(world):
    world.add("crm")
    copy = backed_up(world)
    world.add()
    ran = world.dispatchd("restore", copy)
    docs = (Path(__file__).parents[3] / "docs" / "backup.md").read_text()
    shown = docs[docs.index("Restored ") :].split("\n```")[0]
    assert shape(shown) == shape(ran.out.strip())


def test_json(world):
    world.add("crm")
    copy = backed_up(world)
    world.add()
    told = world.dispatchd("restore", copy, "--json").json()
    assert promised("restore", told)
    assert Path(told.pop("kept")).exists()
    assert told.pop("last_received").endswith("Z")
    assert told.pop("schema") == told.pop("known_schema")
    assert told == {
        "database": str(world.database),
        "file": str(copy),
        "bytes": copy.stat().st_size,
        "events": 1,
        "deliveries": 1,
        "owed": 1,
        "kept_alone": 1,
    }


def test_on_a_new_machine(world):
    event = world.add("crm")
    copy = backed_up(world)
    world.database.unlink()
    ran = world.dispatchd("restore", copy)
    assert "There was no database in its place." in ran.out
    assert world.statuses(event) == {"crm": "queued"}


def test_an_old_schema_is_said_to_be_upgraded(world):
    copy = world.directory / "old.db"
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript(f"{schema(1)}; PRAGMA user_version = 1;")
    ran = world.dispatchd("restore", copy)
    assert "Its schema is version 1: the next start brings it to " in ran.out
    assert "0 events and 0 deliveries, 0 of them owed." in ran.out


def test_a_newer_schema_is_refused(world):
    world.add()
    copy = backed_up(world)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA user_version = 999")
    ran = world.dispatchd("restore", copy)
    assert ran.code == 1
    assert ran.err.startswith(f"dispatchd: nothing was restored: {copy} has schema version 999")
    assert list(world.directory.glob("*replaced*")) == []


def test_over_a_running_daemon_is_refused(world):
    world.add()
    copy = backed_up(world)

    lock = files.lock(str(world.database))
    try:
        ran = world.dispatchd("restore", copy)
    finally:
        os.close(lock)
    assert ran.code == 1
    assert "already serves" in ran.err
    assert "stop it first" in ran.err


def test_a_missing_file_is_said(world):
    world.add()
    missing = world.directory / "nothing.db"
    ran = world.dispatchd("restore", missing)
    assert ran.code == 1
    assert ran.err == f"dispatchd: nothing was restored: {missing}: No such file or directory\n"


def test_a_missing_directory_of_the_database_is_said(world):
    world.add()
    copy = backed_up(world)
    text = world.config.read_text().replace(str(world.database), "/nowhere/at/all.db")
    world.config.write_text(text)
    ran = world.dispatchd("restore", copy)
    assert ran.code == 1
    assert "/nowhere/at is not a directory" in ran.err
