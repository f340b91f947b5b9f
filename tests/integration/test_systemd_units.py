"""The units: valid, hardened with a reason for each line, and installable as the docs say."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dispatchd.listen import SOCKET_MODE

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("dispatchd*"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Copies whose commands exist, as they would once installed."""
    for unit in UNITS:
        text = unit.read_text().replace("/opt/dispatchd/bin/dispatchd", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return sorted(tmp_path.iterdir())


@needs_systemd
def test_verify(units: list[Path]) -> None:
    ran = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@needs_systemd
def test_the_exposure_is_the_one_the_docs_quote(units: list[Path]) -> None:
    service = next(unit for unit in units if unit.name == "dispatchd.service")
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(service)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for dispatchd.service: ([\d.]+)", ran.stdout)
    assert found is not None, ran.stderr
    version = subprocess.run(
        ["systemd-analyze", "--version"], capture_output=True, text=True, check=True
    )
    quoted = re.search(r"exposure ([\d.]+) .*systemd (\d+)", OPERATIONS)
    assert quoted is not None
    if version.stdout.split()[1] == quoted[2]:
        assert found[1] == quoted[1]
    assert float(found[1]) <= 2.0


def test_every_hardening_line_has_its_reason() -> None:
    text = (ROOT / "systemd" / "dispatchd.service").read_text()
    for block in text.split("[Service]")[1].split("[Install]")[0].strip().split("\n\n"):
        assert block.startswith("#"), block


def settings(unit: str) -> dict[str, list[str]]:
    """Return what a unit sets, by key."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "systemd" / unit).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_a_broken_config_is_not_restarted_over_and_over() -> None:
    """Only the main process's exit status counts for RestartPreventExitStatus."""
    service = settings("dispatchd.service")
    assert service["RestartPreventExitStatus"] == ["2"]
    assert "ExecStartPre" not in service


def test_a_reload_is_one_that_waits_and_fails() -> None:
    """A signal would be sent and forgotten: nobody would hear of a problem."""
    service = settings("dispatchd.service")
    (start,), (reload,) = service["ExecStart"], service["ExecReload"]
    assert reload.split(" ")[1] == "reload"
    assert reload.split(" ")[2:4] == start.split(" ")[2:4]  # the same config
    assert "AF_UNIX" in service["RestrictAddressFamilies"][0]


def test_a_proxy_in_the_group_reaches_the_socket_and_nobody_else() -> None:
    service = settings("dispatchd.service")
    assert "DynamicUser" not in service
    assert service["Group"] == ["dispatchd"]
    assert service["RuntimeDirectoryMode"] == ["0750"]  # the group enters
    assert SOCKET_MODE == 0o660  # and connects
    assert "usermod --append --groups dispatchd" in OPERATIONS


def test_the_recipe_makes_no_secret_readable() -> None:
    recipe = OPERATIONS.split("```sh\n")[1].split("```")[0]
    assert "chmod" not in recipe
    assert "chown dispatchd: /etc/dispatchd/config.yaml" in recipe


def test_the_recipe(tmp_path: Path) -> None:
    """The docs' commands, with another root; making the environment is the README's test."""
    recipe = OPERATIONS.split("```sh\n")[1].split("```")[0]
    recipe = re.sub(
        r"^(useradd|chown|python3 -m venv|/opt/dispatchd/bin/pip|systemctl).*\n",
        "",
        recipe,
        flags=re.MULTILINE,
    )
    for place in ("/etc/", "/var/lib/", "/opt/"):
        (tmp_path / place.strip("/")).mkdir(parents=True)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    recipe = re.sub(r"(?<![\w.])/(etc|opt)/", rf"{tmp_path}/\1/", recipe)
    bin_ = tmp_path / "opt/dispatchd/bin"
    bin_.mkdir(parents=True)
    command = bin_ / "dispatchd"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dispatchd "$@"\n')
    command.chmod(0o755)
    subprocess.run(
        ["bash", "-euc", recipe], cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    config = tmp_path / "etc/dispatchd/config.yaml"
    assert "sqlite:////var/lib/dispatchd/dispatchd.db" in config.read_text()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    subprocess.run([str(command), "check", "--config", str(config)], cwd=ROOT, check=True)
    installed = {path.name for path in (tmp_path / "etc/systemd/system").iterdir()}
    # The socket unit takes the listener over: another recipe installs it, for who wants that.
    assert installed == {unit.name for unit in UNITS if unit.suffix != ".socket"}
