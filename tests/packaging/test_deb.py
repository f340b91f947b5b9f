"""The Debian package, on machines that boot: installed, upgraded, removed, purged."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import everything
import pytest
from roots import Machine

ROOT = Path(__file__).parents[2]
CONFIG = "/etc/dispatchd/config.yaml"
BROKEN = (
    "storage: {url: 'sqlite:////var/lib/dispatchd/dispatchd.db'}\n"
    "endpoints:\n  my-slug: {secrit: x}\n"
)
PRUNE_SERVICE = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
PRUNE_TIMER = "[Timer]\nOnCalendar=daily\nPersistent=yes\n[Install]\nWantedBy=timers.target\n"
# Prints what a URL answers 200 with.
ASK = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1]).read().decode())"
LISTENS = ["systemctl", "show", "--value", "-p", "SubState", "dispatchd"]


def dpkg_install(machine: Machine, deb: Path) -> subprocess.CompletedProcess[str]:
    """Install a package, keeping a config that was edited; it must always end well."""
    shutil.copy(deb, machine.root / "root/dispatchd.deb")
    ran = machine.run("dpkg", "--force-confdef", "--force-confold", "-i", "/root/dispatchd.deb")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "install ok installed" in machine.ok("dpkg", "-s", "dispatchd")
    return ran


def repack(deb: Path, version: str, directory: Path, change: Callable[[Path], object]) -> Path:
    """Make of a package another, of a version, its tree changed."""
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {version}", control.read_text()))
    change(tree)
    made = directory / "dispatchd.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return made


@pytest.fixture(scope="session")
def newer(deb, tmp_path_factory) -> Path:
    """The package as of a later version, whose own config has changed."""

    def change(tree: Path) -> None:
        with (tree / "etc/dispatchd/config.yaml").open("a") as config:
            config.write("# something new\n")

    return repack(deb, "9.0-1", tmp_path_factory.mktemp("newer"), change)


@pytest.fixture(scope="session")
def with_a_prune_timer(deb, tmp_path_factory) -> Path:
    """The package as it was when a timer deleted old events, enabled as the service is."""

    def change(tree: Path) -> None:
        units = tree / "usr/lib/systemd/system"
        (units / "dispatchd-prune.service").write_text(PRUNE_SERVICE)
        (units / "dispatchd-prune.timer").write_text(PRUNE_TIMER)
        for script in ("postinst", "prerm", "postrm"):
            path = tree / "DEBIAN" / script
            path.write_text(
                re.sub(
                    r"dispatchd\.service(?= |;)", r"\g<0> dispatchd-prune.timer", path.read_text()
                )
            )

    return repack(deb, "0.0.1-1", tmp_path_factory.mktemp("older"), change)


def found_of(machine: Machine, name: str) -> list[str]:
    """Return the files with a name in theirs."""
    return machine.ok("find", "/etc", "/usr", "/var/lib", "-xdev", "-name", f"*{name}*").split()


def send(machine: Machine, *body: str) -> str:
    """Send an event as its sender would, its body a file's; return its id."""
    return str(json.loads(machine.ok("dispatchd", "send", "my-slug", *body, "--json"))["event_id"])


def test_installed_it_serves_as_a_user_of_its_own(machine, deb):
    dpkg_install(machine, deb)
    assert machine.ok(*LISTENS) == "running\n"
    assert machine.unit("UnitFileState") == "enabled"
    pid = machine.unit("MainPID")
    assert machine.ok("stat", "-c", "%U", f"/proc/{pid}") == "dispatchd\n"
    event = send(machine)
    assert event in machine.ok("dispatchd", "events")
    assert machine.ok("dpkg", "-V", "dispatchd") == ""
    assert machine.ok("dispatchd", "check").startswith(f"{CONFIG} is good")
    # Compiled by the installation: the daemon may not write there.
    caches = list((machine.root / "usr/lib/dispatchd").rglob("dispatchd/store/__pycache__/*.pyc"))
    assert caches


def test_nothing_secret_is_in_the_package_or_open_to_others(machine, deb):
    dpkg_install(machine, deb)
    secret = (machine.root / "etc/dispatchd/secrets/my-slug").read_text().strip()
    assert len(secret) >= 40
    assert secret not in (machine.root / CONFIG.lstrip("/")).read_text()
    modes = machine.ok(
        "stat", "-c", "%a %U %G", "/etc/dispatchd", CONFIG, "/etc/dispatchd/secrets",
        "/etc/dispatchd/secrets/my-slug", "/var/lib/dispatchd",
    )  # fmt: skip
    assert modes.splitlines() == [
        "750 root dispatchd",
        "640 root dispatchd",
        "750 root dispatchd",
        "640 root dispatchd",
        "700 dispatchd dispatchd",
    ]
    shell = machine.ok("getent", "passwd", "dispatchd").strip().split(":")[-1]
    assert shell == "/usr/sbin/nologin"


def test_expressions_run_under_the_hardened_unit(machine, deb):
    dpkg_install(machine, deb)
    (machine.root / CONFIG.lstrip("/")).write_text(
        "server: {listen: 'unix:/run/dispatchd/hooks.sock'}\n"
        "storage: {url: 'sqlite:////var/lib/dispatchd/dispatchd.db'}\n"
        "endpoints:\n  my-slug:\n    secret: '${file:/etc/dispatchd/secrets/my-slug}'\n"
        "    destinations:\n"
        "      - {to: local, filter: '$exists(body)', transform: '{\"twice\": 2 * 21}',\n"
        "         on_transform_error: fail}\n"
        "destinations: {local: {url: 'http://127.0.0.1:9000/'}}\n"
    )
    with (machine.root / "etc/systemd/system/catch.service").open("w") as unit:
        unit.write(
            "[Service]\nEnvironment=PYTHONUNBUFFERED=1\nExecStart=/usr/bin/dispatchd catch\n"
        )
    machine.ok("systemctl", "daemon-reload")
    machine.ok("systemctl", "start", "catch")
    machine.ok("systemctl", "restart", "dispatchd")
    send(machine)
    assert "X-Dispatch-Event-ID" in machine.wait_for(
        "journalctl", "-u", "catch", "-o", "cat", said='"twice": 42'
    )


def test_nothing_of_it_was_left_out(machine, deb):
    dpkg_install(machine, deb)
    (machine.root / CONFIG.lstrip("/")).write_text(
        everything.CONFIG.replace("PORT", "8080")
        .replace("ADMIN", "8081")
        .replace("DIR", "/var/lib/dispatchd")
    )
    machine.ok("systemctl", "restart", "dispatchd")
    (machine.root / "root/body.json").write_text('{"n": 1}')
    event = send(machine, "/root/body.json")
    for name in everything.ATTEMPTS:
        said = f'"destination":"{name}"'
        machine.wait_for("journalctl", "-u", "dispatchd", "-o", "cat", said=said)

    def ask(path: str) -> str:
        return machine.ok("python3.11", "-c", ASK, f"http://127.0.0.1:8081{path}")

    def dispatchd(*arguments: str) -> subprocess.CompletedProcess[str]:
        return machine.run("dispatchd", *arguments)

    everything.assert_the_admin_listener_answers(ask, event)
    everything.assert_commands_work(dispatchd, CONFIG)


def test_manual_pages_and_completions_are_where_they_are_looked_for(machine, deb):
    dpkg_install(machine, deb)
    share = machine.root / "usr/share"
    manual = gzip.decompress((share / "man/man1/dispatchd.1.gz").read_bytes())
    assert manual == (ROOT / "packaging/dispatchd.1").read_bytes()
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*")}
    assert written <= {
        path.relative_to(share / "doc/dispatchd") for path in (share / "doc/dispatchd").rglob("*")
    }
    loading = ". /usr/share/bash-completion/completions/dispatchd; complete -p dispatchd"
    assert "_dispatchd_completion" in machine.ok("bash", "-c", loading)
    assert (share / "zsh/vendor-completions/_dispatchd").read_text().startswith("#compdef ")
    assert (share / "fish/vendor_completions.d/dispatchd.fish").exists()


def test_a_broken_config_is_not_started(machine, deb):
    (machine.root / "etc/dispatchd").mkdir()
    (machine.root / CONFIG.lstrip("/")).write_text(BROKEN)
    said = dpkg_install(machine, deb)
    assert "secrit" in said.stderr
    assert "dispatchd: not started" in said.stderr
    assert machine.unit("ActiveState") == "inactive"
    assert machine.unit("ExecMainStartTimestampMonotonic") == "0"  # nor was it, for a moment
    (machine.root / CONFIG.lstrip("/")).write_text(BROKEN.replace("secrit", "secret"))
    machine.ok("systemctl", "start", "dispatchd")
    assert machine.ok(*LISTENS) == "running\n"


def test_an_upgrade_keeps_config_secret_and_events(machine, deb, newer):
    dpkg_install(machine, deb)
    config = machine.root / CONFIG.lstrip("/")
    edited = config.read_text() + "# mine\n"
    config.write_text(edited)
    secret = (machine.root / "etc/dispatchd/secrets/my-slug").read_text()
    event, before = send(machine), machine.unit("MainPID")
    dpkg_install(machine, newer)
    assert "Version: 9.0-1" in machine.ok("dpkg", "-s", "dispatchd")
    assert machine.ok(*LISTENS) == "running\n"
    assert machine.unit("MainPID") != before
    assert config.read_text() == edited
    assert (machine.root / "etc/dispatchd/secrets/my-slug").read_text() == secret
    assert event in machine.ok("dispatchd", "events")
    send(machine)


def test_an_upgrade_lets_a_daemon_run_whose_config_was_broken_since(machine, deb, newer):
    dpkg_install(machine, deb)
    config = machine.root / CONFIG.lstrip("/")
    good, before = config.read_text(), machine.unit("MainPID")
    config.write_text(BROKEN)
    assert "a daemon that runs goes on" in dpkg_install(machine, newer).stderr
    assert (machine.ok(*LISTENS), machine.unit("MainPID")) == ("running\n", before)
    config.write_text(good)
    send(machine)


def test_what_was_disabled_stays_so(machine, deb, newer):
    dpkg_install(machine, deb)
    machine.ok("systemctl", "disable", "--now", "dispatchd")
    dpkg_install(machine, newer)
    assert machine.unit("UnitFileState") == "disabled"
    assert machine.unit("ActiveState") == "inactive"


def test_an_upgrade_takes_the_prune_timer_away(machine, with_a_prune_timer, deb):
    dpkg_install(machine, with_a_prune_timer)
    assert machine.ok("systemctl", "is-active", "dispatchd-prune.timer") == "active\n"
    assert machine.ok("systemctl", "is-enabled", "dispatchd-prune.timer") == "enabled\n"
    dpkg_install(machine, deb)
    assert machine.ok(*LISTENS) == "running\n"
    assert "prune" not in machine.ok("systemctl", "list-units", "--all", "dispatchd*")
    assert found_of(machine, "dispatchd-prune") == []


def test_the_socket_unit_is_there_and_goes_with_the_package(machine, deb, newer):
    dpkg_install(machine, deb)
    state = machine.run("systemctl", "is-enabled", "dispatchd.socket").stdout
    assert state == "disabled\n"  # it would take the listener over
    config = machine.root / CONFIG.lstrip("/")
    config.write_text(config.read_text().replace("listen: 127.0.0.1:8080", "listen: systemd"))
    machine.ok("systemctl", "stop", "dispatchd")
    machine.ok("systemctl", "enable", "--now", "dispatchd.socket")
    machine.ok("systemctl", "start", "dispatchd")
    dpkg_install(machine, newer)
    machine.ok("dispatchd", "send", "my-slug", "--url", "http://127.0.0.1:8080/hooks/my-slug")
    assert machine.ok("systemctl", "is-enabled", "dispatchd.socket") == "enabled\n"
    machine.ok("dpkg", "--remove", "dispatchd")
    left = machine.ok("systemctl", "list-units", "dispatchd*")
    assert "0 loaded units" in left, left  # nobody listens
    dpkg_install(machine, newer)
    machine.ok("dispatchd", "send", "my-slug", "--url", "http://127.0.0.1:8080/hooks/my-slug")
    machine.ok("dpkg", "--purge", "dispatchd")
    assert found_of(machine, "dispatchd") == []


def test_removed_then_back_then_purged(machine, deb):
    dpkg_install(machine, deb)
    event, pid = send(machine), machine.unit("MainPID")
    machine.ok("dpkg", "--remove", "dispatchd")
    assert machine.run("stat", f"/proc/{pid}").returncode == 1
    assert not (machine.root / "usr/lib/dispatchd").exists()
    assert not (machine.root / "usr/bin/dispatchd").is_symlink()
    assert (machine.root / CONFIG.lstrip("/")).exists()
    dpkg_install(machine, deb)
    assert machine.ok(*LISTENS) == "running\n"
    assert event in machine.ok("dispatchd", "events")
    machine.ok("dpkg", "--purge", "dispatchd")
    assert found_of(machine, "dispatchd") == []
