"""`dispatchd doctor` of real installations, with the daemon up and down."""

import json
import os
import pty
import re
import select
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dispatchd.doctor import clocks, open_files, permissions, ports, space
from dispatchd.model import Listen
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION

CONFIG = """\
server: {{listen: {listen}}}
admin: {{listen: {admin}}}
storage: {{url: "sqlite:///{database}"}}
endpoints:
  my-slug: {{secret: "${{file:{secret}}}", destinations: [crm]}}
destinations:
  crm: {{url: "http://me:sekrit-1@127.0.0.1:{port}/in?token=sekrit-2"}}
"""


@pytest.fixture
def there() -> Iterator[socket.socket]:
    """Listen as the destination does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def sound(world, there, monkeypatch):
    """Return an installation where all is well."""
    secret = world.directory / "secret"
    secret.write_text("sekrit-3-sekrit-3-sekrit-3")
    secret.chmod(0o600)
    configure(world, there)
    world.add("crm")
    # What these machines are like is no business of these tests.
    monkeypatch.setattr(clocks, "synchronised", lambda: True)
    monkeypatch.setattr("dispatchd.doctor.disk.WRITES", 5)
    monkeypatch.setattr("dispatchd.doctor.disk.SLOW_P50_MS", 60_000.0)
    monkeypatch.setattr("dispatchd.doctor.disk.SLOW_P99_MS", 60_000.0)
    monkeypatch.setattr("dispatchd.doctor.disk.file_system", lambda *_: "ext4")
    monkeypatch.setattr(space, "bound", lambda *_: 1)
    monkeypatch.setattr(open_files, "FILES_BESIDE", 1)
    return world


def configure(world, there, listen: str | None = None, admin: str | None = None) -> None:
    text = CONFIG.format(
        listen=listen or f"127.0.0.1:{free_port()}",
        admin=admin or f"127.0.0.1:{free_port()}",
        database=world.database,
        secret=world.directory / "secret",
        port=there.getsockname()[1],
    )
    world.config.write_text(text)
    world.config.chmod(0o600)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def findings(world, *options: str, code: int = 1) -> dict[str, list[dict[str, Any]]]:
    ran = world.dispatchd("doctor", "--json", *options)
    assert ran.code == code, ran.out
    told = json.loads(ran.out)
    assert told["ok"] is (code == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in told["checks"]:
        found.setdefault(one["check"], []).append(one)
        assert (one["todo"] is None) or one["verdict"] != "ok"
    return found


def acts(found: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, str]]:
    return [
        (one["check"], one["said"], one["todo"])
        for ones in found.values()
        for one in ones
        if one["verdict"] == "act"
    ]


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


def started(world, process) -> subprocess.Popen:
    # Unbuffered: what has been read ahead cannot be selected for.
    running = process("serve", "--config", world.config, "--log-format", "json", bufsize=0)
    while True:
        assert select.select([running.stderr], [], [], 20)[0]
        line = running.stderr.readline()
        assert line, "it ended"
        if b'"admin_started"' in line:
            return running


def test_all_is_well_with_the_daemon_up(sound, process):
    running = started(sound, process)
    found = findings(sound, code=0)
    assert found["daemon"][0]["figures"] == {"pid": running.pid}
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


def test_a_port_that_another_has(sound, there):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        configure(sound, there, listen=f"127.0.0.1:{taken}")
        (found,) = acts(findings(sound))
    assert found[:2] == (
        "listen",
        f"127.0.0.1:{taken} cannot be listened on: Address already in use",
    )
    assert f"ss -ltnp sport = :{taken}" in found[2]


def test_an_address_that_is_not_ours(sound, there):
    configure(sound, there, admin="203.0.113.7:8081")
    sound.config.write_text(
        sound.config.read_text().replace("203.0.113.7:8081", "203.0.113.7:8081, token: " + "t" * 40)
    )
    (found,) = acts(findings(sound))
    assert found[0] == "admin"
    assert "Cannot assign requested address" in found[1]


def test_a_daemon_that_listens_elsewhere(sound, there, process):
    """Its config has changed since it started."""
    started(sound, process)
    configure(sound, there)
    found = acts(findings(sound))
    assert [check for check, _, _ in found] == ["listen", "admin"]
    assert all("does not answer: Connection refused" in said for _, said, _ in found)
    assert all("dispatchd reload" in todo for _, _, todo in found)


def test_somebody_else_where_the_daemon_should_be(sound, there, process):
    started(sound, process)
    with socket.create_server(("127.0.0.1", 0)) as other:
        configure(sound, there, listen=f"127.0.0.1:{other.getsockname()[1]}")
        answering = threading.Thread(target=greet, args=(other,))
        answering.start()
        found = acts(findings(sound))
        answering.join()
    assert "something that is no dispatchd answers" in found[0][1]


def greet(listener: socket.socket) -> None:
    """Answer one request, in HTTP, as no daemon of ours does."""
    taken, _ = listener.accept()
    with taken:
        taken.recv(1000)
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def test_a_unix_socket(sound, there, process):
    path = sound.directory / "hooks.sock"
    configure(sound, there, listen=f"unix:{path}")
    assert "is free" in findings(sound, code=0)["listen"][0]["said"]
    started(sound, process)
    assert "answers" in findings(sound, code=0)["listen"][0]["said"]


def test_what_keeps_a_unix_socket_from_being_made(tmp_path):
    free = tmp_path / "free.sock"
    assert ports.unfree(Listen(path=str(free))) is None
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(free))
        assert ports.unfree(Listen(path=str(free))) is None  # a dead process left it
        left.listen()
        assert ports.unfree(Listen(path=str(free))) == "another process listens there"
    (tmp_path / "file").touch()
    assert ports.unfree(Listen(path=str(tmp_path / "file"))) == "the file is not a socket"
    nowhere = tmp_path / "no" / "x.sock"
    assert ports.unfree(Listen(path=str(nowhere))) == f"{nowhere.parent} is not a directory"
    assert ports.unfree(Listen("127.0.0.1", free_port())) is None
    assert ports.unfree(Listen("::1", free_port())) in (None, "Cannot assign requested address")


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (None, ("note", "systemd: systemd binds it, and cannot be asked from here")),
        (
            {"ActiveState": "active", "SubState": "listening"},
            ("ok", "systemd: dispatchd.socket is active (listening)"),
        ),
        (
            {"ActiveState": "inactive"},
            ("act", "systemd: dispatchd.socket is inactive, so nobody listens"),
        ),
    ],
)
def test_a_socket_of_systemds(sound, there, monkeypatch, told, meant):
    configure(sound, there, listen="systemd")
    monkeypatch.setattr(ports, "show", lambda _unit: told)
    (found,) = findings(sound, code=int(meant[0] == "act"))["listen"]
    assert (found["verdict"], found["said"]) == meant
