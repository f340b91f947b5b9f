"""`dispatchd doctor` of real installations, with the daemon up and down."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from promised import promised
from rig_doctor import acts, findings, started

from dispatchd.doctor import open_files, permissions, space
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION


def test_all_is_well_with_the_daemon_down(sound):
    found = findings(sound, code=0)
    assert list(found) == [
        "config",
        "permissions",
        "database",
        "schema",
        "space",
        "disk",
        "clock",
        "daemon",
        "listen",
        "admin",
        "files",
        "destination",
    ]
    assert {one["verdict"] for ones in found.values() for one in ones} <= {"ok", "note"}
    assert "is free" in found["listen"][0]["said"]
    assert "does not run" in found["daemon"][0]["said"]
    assert found["disk"][0]["figures"]["fsyncs"] == 5
    assert found["disk"][0]["figures"]["fsync_p99_ms"] > 0
    assert found["schema"][0]["figures"] == {"version": SCHEMA_VERSION}
    assert found["destination"][0]["name"] == "crm"


def test_the_docs_name_each_check(sound):
    docs = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    table = docs[docs.index("| check | what is looked at |") :].split("\n\n")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert named == {*findings(sound, code=0), "unit"}


def test_all_is_well_with_the_daemon_up(sound, process):
    running = started(sound, process)
    found = findings(sound, code=0)
    assert found["daemon"][0]["figures"] == {"pid": running.pid}
    wal = sound.database.with_name(f"{sound.database.name}-wal")
    size_bytes = sound.database.stat().st_size + wal.stat().st_size
    assert wal.stat().st_size > 0
    assert found["database"][0]["figures"]["size_bytes"] == size_bytes
    for name in ("listen", "admin"):
        assert found[name][0]["verdict"] == "ok"
        assert "answers: /healthz is ok" in found[name][0]["said"]
    assert "are open" in found["files"][0]["said"]
    assert found["files"][0]["figures"]["open"] > 5


def test_a_variable_that_only_the_daemon_has(sound, process, monkeypatch):
    text = sound.config.read_text().replace("sekrit-1", "${ONLY_THE_DAEMONS}")
    sound.config.write_text(text)
    assert sound.dispatchd("doctor").code == 2
    monkeypatch.setenv("ONLY_THE_DAEMONS", "sekrit-4")
    started(sound, process)
    monkeypatch.delenv("ONLY_THE_DAEMONS")
    ran = sound.dispatchd("doctor")
    assert ran.code == 0
    assert "sekrit" not in ran.out


def test_for_people(sound):
    ran = sound.dispatchd("doctor")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith(
        f"ok   config      {sound.config} is good: 1 endpoint"
    )
    assert ran.out.splitlines()[-1].startswith("All is well")


def test_no_secret_is_shown(sound, there):
    there.close()
    for options in ([], ["--json"]):
        ran = sound.dispatchd("doctor", *options)
        assert ran.code == 1
        assert "Connection refused" in ran.out
        assert "sekrit" not in ran.out + ran.err
    assert promised("doctor", json.loads(ran.out))


def test_on_a_terminal_of_80_columns(sound, there, monkeypatch):
    there.close()
    sound.config.chmod(0o644)
    long = "a-destination-with-quite-a-long-name-that-somebody-chose"
    sound.config.write_text(sound.config.read_text().replace("crm", long))
    shown = on_terminal(sound)
    assert all(len(line) <= 80 or str(sound.directory) in line for line in shown)
    assert any(line == f"act  {long}" for line in shown)
    assert sum(line.startswith(f"{' ' * 17}-> ") for line in shown) >= 2
    assert any(line.startswith("2 things to do") or "things to do" in line for line in shown)


def on_terminal(world) -> list[str]:
    """Run it on a terminal; it may find what it finds of this machine."""
    ours, terminal = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "dispatchd", "doctor", "--config", world.config],
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert running.wait() == 1
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", shown.decode()).splitlines()


def test_a_config_that_cannot_be_used_is_said_as_check_says_it(world):
    world.config.write_text("serverr: {}\n")
    ran = world.dispatchd("doctor")
    assert ran.code == 2
    assert "did you mean" in ran.err
    ran = world.dispatchd("doctor", "--json")
    assert ran.code == 2
    told = json.loads(ran.out)
    assert told["ok"] is False
    assert told["problems"][0]["line"] == 1


def test_warnings_of_the_config_are_notes(sound):
    sound.config.write_text(sound.config.read_text() + "  unused: {url: 'http://127.0.0.1:9/'}\n")
    found = findings(sound)
    assert any("no endpoint sends anything here" in one["said"] for one in found["config"])


def test_before_the_first_start(sound):
    sound.database.unlink()
    found = findings(sound, code=0)
    assert found["database"][0]["verdict"] == "note"
    assert "there is none yet" in found["database"][0]["said"]
    assert "schema" not in found
    assert not sound.database.exists()


def test_files_that_others_may_open(sound):
    secret = sound.directory / "secret"
    sound.config.chmod(0o644)
    secret.chmod(0o604)
    sound.database.chmod(0o660)
    found = acts(findings(sound))
    assert [(check, todo) for check, _, todo in found] == [
        ("permissions", f"chmod o-rwx {sound.config}"),
        ("permissions", f"chmod o-rwx {secret}"),
        ("permissions", f"chmod 600 {sound.database}*, unless that is meant"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")
def test_files_of_several_users(sound):
    Path(f"{sound.database}.lock").touch()
    os.chown(f"{sound.database}.lock", 4321, 4321)
    os.chown(sound.config, 4322, 4322)
    found = acts(findings(sound))
    assert [todo for _, _, todo in found] == [
        f"chown root {sound.config}",
        f"chown root {sound.database}.lock",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_as_a_user_who_may_not_write():
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        assert list(permissions.judge_directory(Path(directory))) == []
        os.seteuid(65534)
        try:
            (found,) = permissions.judge_directory(Path(directory))
        finally:
            os.seteuid(0)
    assert "cannot be written by this user, nobody" in found.said
    assert found.todo == "run the daemon, and this, as root"


def test_a_directory_that_is_not_there(tmp_path):
    (found,) = permissions.judge_directory(tmp_path / "none")
    assert found.todo == f"mkdir {tmp_path}/none"


def test_a_directory_where_everybody_writes(sound):
    sound.directory.chmod(0o777)
    (found,) = acts(findings(sound))
    assert found[2] == f"chmod o-w {sound.directory}"


def test_a_damaged_database(sound):
    for _ in range(30):
        sound.add("crm", body=b"x" * 5000)
    with sound.database.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 8 * 4096)
    found = acts(findings(sound))
    assert [check for check, _, _ in found] == ["database"]
    assert "is damaged" in found[0][1]
    assert "dispatchd restore" in found[0][2]


def test_all_of_the_database(sound):
    found = findings(sound, "--full", code=0)
    assert "all of it was looked at" in found["database"][0]["said"]


def test_what_is_no_database(sound):
    sound.database.write_text("a letter " * 1000)
    found = acts(findings(sound))
    assert "cannot read" in found[0][1]


@pytest.mark.parametrize(
    ("version", "code", "said"),
    [(SCHEMA_VERSION + 1, 1, "made by a newer dispatchd"), (1, 0, "the next start brings it to")],
)
def test_another_schema(sound, version, code, said):
    with closing(sqlite3.connect(sound.database)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    assert said in findings(sound, code=code)["schema"][0]["said"]


def test_a_clock_that_was_set_back(sound):
    with closing(sqlite3.connect(sound.database)) as connection:
        connection.execute("UPDATE clock SET wall_ms = 4000000000000")
        connection.commit()
    (found,) = acts(findings(sound))
    assert "it was set back" in found[1]


def test_too_little_room(sound, monkeypatch):
    monkeypatch.setattr(space, "bound", lambda *_: 2**62)
    (found,) = acts(findings(sound))
    assert found[0] == "space"


def test_too_few_files(sound, monkeypatch):
    monkeypatch.setattr(open_files, "FILES_BESIDE", 2**40)
    found = acts(findings(sound))
    assert found[0][0] == "files"
    assert "LimitNOFILE=" in found[0][2]
