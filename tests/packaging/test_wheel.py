"""A wheel, as pipx and uv take it: with all that is read at run time, and it runs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from everything import CONFIG, assert_everything_works
from running import daemon

ROOT = Path(__file__).parents[2]


def test_every_file_of_the_package_is_in_it(wheel):
    """Whatever is not Python is read at run time, or why would it be there?"""
    package = ROOT / "dispatchd"
    sources = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    packed = {name for name in names if ".data/" not in name}
    assert [name.partition(".data/")[2] for name in names - packed] == [
        "data/share/man/man1/dispatchd.1"
    ]
    assert packed == sources
    assert any(name.endswith(".sql") for name in packed)


def tools(which: str, wheel: Path, home: Path) -> tuple[list[str], dict[str, str]]:
    """The command that installs with a tool, and the places for it."""
    bin_ = Path(sys.executable).parent
    if which == "pipx":
        places = {"PIPX_HOME": str(home / "pipx"), "PIPX_BIN_DIR": str(home / "bin")}
        return [str(bin_ / "pipx"), "install", "--quiet", str(wheel)], places
    places = {"UV_TOOL_DIR": str(home / "uv"), "UV_TOOL_BIN_DIR": str(home / "bin")}
    uv = [str(bin_ / "uv"), "tool", "install", "--quiet", "--python", sys.executable]
    return [*uv, str(wheel)], places


@pytest.mark.parametrize("which", ["pipx", "uv"])
def test_installed_it_serves(which, wheel, tmp_path):
    command, places = tools(which, wheel, tmp_path)
    if not Path(command[0]).exists():
        pytest.skip(f"{which} is not in this environment: install the extra `packaging`")
    installed = subprocess.run(
        command, env={**os.environ, **places}, capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stderr
    program = [str(tmp_path / "bin" / "dispatchd")]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def dispatchd(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *arguments], capture_output=True, text=True, check=False, env=environment
        )

    with daemon(program, CONFIG, tmp_path, environment) as running:
        assert_everything_works(running, dispatchd, str(tmp_path / "config.yaml"))
    assert running.returncode == 0
