"""What is no Python: linted, and the configs that are shipped are good."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
SHELL = [
    *(PACKAGING / name for name in ("deb/build", "single/build", "single/head.sh")),
    *(PACKAGING / "deb" / name for name in ("postinst", "prerm", "postrm")),
    ROOT / "tests/packaging/boot.sh",
    ROOT / ".ci/run",
]


def tool(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not here: install the extra `packaging`")
    return str(path)


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_shell(script):
    text = (
        script.read_text()
        .replace("@UNITS@", "a.service b.service")
        .replace("@OFFERED@", "a.socket b.socket")
    )
    ran = subprocess.run(
        [tool("shellcheck"), "-"], input=text, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_the_dockerfile():
    ran = subprocess.run(
        [tool("hadolint"), PACKAGING / "docker/Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("config", sorted(PACKAGING.rglob("config.yaml")), ids=str)
def test_a_shipped_config_is_good_and_holds_no_secret(config):
    ran = subprocess.run(
        [sys.executable, "-m", "dispatchd", "check", "--skip-references", "--config", config],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    assert "secret: ${file:" in config.read_text()


def test_the_measuring_command_measures():
    """Its figures stand in docs/install.md."""
    command = f"here={Path(sys.executable).with_name('dispatchd')}"
    ran = subprocess.run(
        [sys.executable, PACKAGING / "measure.py", "--runs", "1", command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"\| here \| \d+ \| 1\.00 \| \d+ \| 1\.00 \|", ran.stdout), ran.stdout
