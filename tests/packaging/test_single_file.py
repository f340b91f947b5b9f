"""The single file on a Debian without a Python: the command, the daemon and its children."""

import queue
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import everything
import pytest
from roots import ENVIRONMENT, inside, run_inside
from running import Running, daemon, post

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
INSTALL = (ROOT / "docs/install.md").read_text()
CONFIG = """\
server: {listen: '127.0.0.1:PORT'}
storage: {url: 'sqlite:///DIR/events.db'}
endpoints:
  my-slug:
    secret: s3cret-of-the-test
    destinations:
      - to: nowhere
        filter: 'body.n = 1'
        transform: '{"twice": n * 2}'
        on_transform_error: fail
destinations: {nowhere: {url: 'http://127.0.0.1:9/', retry: {max_attempts: 1}}}
"""

EXTRAS = """\
server: {listen: '127.0.0.1:PORT'}
storage: {url: 'sqlite:///DIR/events.db'}
telemetry: {endpoint: 'http://127.0.0.1:TAKER'}
endpoints: {my-slug: {secret: s3cret-of-the-test, destinations: [services]}}
destinations: {services: {type: apprise, urls: ['json://127.0.0.1:TAKER/notice']}}
"""


@pytest.fixture
def debian(bare, single_file) -> Path:
    """A Debian that has the file, and no Python."""
    assert not list((bare / "usr/bin").glob("python*"))
    shutil.copy(single_file, bare / "usr/local/bin/dispatchd")
    return bare


def children(running: Running) -> str:
    """The command lines of what the daemon started."""
    pids = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    return "\n".join(
        Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in pids
    )


def test_it_serves_filters_transforms_and_explains(debian):
    program = inside(debian, "dispatchd")
    with daemon(program, CONFIG, debian / "root", ENVIRONMENT, "/root") as running:
        assert post(running, b'{"n": 1}')[0] == 202
        event = running.wait_for("event")
        assert event["destinations"] == 1
        assert running.wait_for("attempt")["transform"] == "applied"
        assert "-m dispatchd.evaluate.worker" in children(running)
        assert post(running, b'{"n": 2}')[0] == 202
        assert running.wait_for("event")["filtered_by"] == "nowhere: filter"
        # A body that is long to read is read by a process too.
        assert post(running, b'{"n": 2, "pad": "%s"}' % (b"x" * 4_000_000))[0] == 202
        assert "-m dispatchd.reading.worker" in children(running)
        told = run_inside(
            debian, "dispatchd", "explain", event["event_id"], "--config", "/root/config.yaml"
        )
        assert told.returncode == 0, told.stderr
        assert "nowhere" in told.stdout
    assert running.returncode == 0  # the signal reached the daemon, which drained


def test_nothing_of_it_was_left_out(debian):
    def dispatchd(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_inside(debian, "dispatchd", *arguments)

    program = inside(debian, "dispatchd")
    with daemon(program, everything.CONFIG, debian / "root", ENVIRONMENT, "/root") as running:
        everything.assert_everything_works(running, dispatchd, "/root/config.yaml")
    assert running.returncode == 0


class Taking(BaseHTTPRequestHandler):
    """Takes whatever is posted, and keeps where."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.took.put(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_with_extras_it_traces_and_notifies(bare, single_file_with_extras):
    shutil.copy(single_file_with_extras, bare / "usr/local/bin/dispatchd")
    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as taking:
        taking.took = queue.SimpleQueue()
        threading.Thread(target=taking.serve_forever, daemon=True).start()
        config = EXTRAS.replace("TAKER", str(taking.server_port))
        program = inside(bare, "dispatchd")
        with daemon(program, config, bare / "root", ENVIRONMENT, "/root") as running:
            assert post(running, b'{"n": 1}')[0] == 202
            awaited = {"/notice", "/v1/traces"}
            while awaited:
                awaited.discard(taking.took.get(timeout=60))
        taking.shutdown()


def test_without_them_it_says_how_to_have_them(debian):
    (debian / "root/config.yaml").write_text(EXTRAS.replace("TAKER", "9"))
    ran = run_inside(debian, "dispatchd", "check", "--config", "/root/config.yaml")
    assert ran.returncode == 2
    assert "with --extras otel\n" in ran.stderr
    assert "with --extras apprise\n" in ran.stderr


def test_a_broken_config_ends_with_every_problem(debian):
    (debian / "root/config.yaml").write_text("endpoints: {my-slug: {secrit: x}}\n")
    for command in ("check", "serve"):
        ran = run_inside(debian, "dispatchd", command, "--config", "/root/config.yaml")
        assert ran.returncode == 2
        assert "secrit" in ran.stderr


def test_it_unpacks_once_even_when_many_start_at_once(debian):
    command = inside(debian, "dispatchd", "--version")
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        for _ in range(3)
    ]
    for process in started:
        said, _ = process.communicate()
        assert said.startswith("dispatchd, version ")
    (tree,) = (debian / "root/.cache/dispatchd").iterdir()
    before = (tree / "dispatchd").stat().st_mtime_ns
    assert run_inside(debian, "dispatchd", "--version").returncode == 0
    assert [*tree.parent.iterdir()] == [tree]
    assert (tree / "dispatchd").stat().st_mtime_ns == before


def test_root_runs_nothing_out_of_anothers_home(debian):
    home = debian / "home/someone"
    home.mkdir()
    (home / ".cache").mkdir()
    theirs = home / ".cache/dispatchd"
    theirs.mkdir()
    for path in (home, home / ".cache", theirs):
        shutil.chown(path, 1000, 1000)
    assert run_inside(debian, "dispatchd", "--version", HOME="/home/someone").returncode == 0
    assert [*theirs.iterdir()] == []
    assert len([*(debian / "var/cache/dispatchd").iterdir()]) == 1


def test_where_nothing_can_be_run_it_says_what_to_do(debian):
    script = (
        "mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp && exec setpriv --reuid=65534"
        " --regid=65534 --clear-groups dispatchd --version"
    )
    ran = run_inside(debian, "sh", "-c", script, HOME="/nonexistent")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "set DISPATCHD_UNPACK_DIR" in ran.stderr
    chosen = script.replace("dispatchd", "env DISPATCHD_UNPACK_DIR=/run/mine dispatchd")
    (debian / "run/mine").mkdir()
    shutil.chown(debian / "run/mine", 65534, 65534)
    assert run_inside(debian, "sh", "-c", chosen, HOME="/nonexistent").returncode == 0


def test_under_systemd_the_process_it_started_is_the_daemon(machine, single_file):
    """As docs/install.md says, with the units of this repository."""
    root = machine.root
    shutil.copy(single_file, root / "usr/local/bin/dispatchd")
    shutil.copy(UNITS / "dispatchd.service", root / "etc/systemd/system")
    drop_in = root / "etc/systemd/system/dispatchd.service.d"
    drop_in.mkdir()
    recipe = INSTALL.split("# systemctl edit dispatchd\n")[1].split("```")[0]
    assert "CacheDirectory=" in recipe
    (drop_in / "override.conf").write_text(recipe)
    machine.ok("useradd", "--system", "--user-group", "--no-create-home", "dispatchd")
    (root / "etc/dispatchd").mkdir()
    (root / "etc/dispatchd/config.yaml").write_text(
        CONFIG.replace("PORT", "8080").replace("DIR", "/var/lib/dispatchd")
    )
    machine.ok("systemctl", "daemon-reload")
    machine.ok("systemctl", "start", "dispatchd")  # which waits for its readiness
    assert machine.unit("SubState") == "running"
    program = machine.ok("readlink", f"/proc/{machine.unit('MainPID')}/exe")
    assert program.startswith("/var/cache/dispatchd/dispatchd-")
    sent = machine.ok("/usr/local/bin/dispatchd", "send", "my-slug")  # root, from its own place
    assert sent.startswith("202 ")
    machine.ok("systemctl", "stop", "dispatchd")
    assert machine.unit("Result") == "success"
