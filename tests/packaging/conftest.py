"""What is built once for all tests of it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from roots import booted, bootstrap, in_memory, install_inside, layer_over, require

ROOT = Path(__file__).parents[2]
BEGAN_S = time.monotonic()
# A slow machine tries less, and says what it left out: what has not begun by then is skipped.
WITHIN_S = float(os.environ.get("PACKAGING_TESTS_WITHIN_S", "inf"))


def pytest_runtest_setup() -> None:
    if time.monotonic() - BEGAN_S > WITHIN_S:
        pytest.skip(f"not begun within PACKAGING_TESTS_WITHIN_S={WITHIN_S:g}")


def build(script: str, directory: Path, *options: str) -> Path:
    """Run a build script; return the file that it names."""
    made = subprocess.run(
        [str(ROOT / script), *options, str(directory)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return Path(made.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> Iterator[Path]:
    """A minimal Debian; not to be changed."""
    require("debootstrap", "unshare")
    with in_memory(tmp_path_factory.mktemp("debian") / "root") as root:
        bootstrap(root)
        yield root


@pytest.fixture
def bare(pristine, tmp_path) -> Iterator[Path]:
    """A minimal Debian, which has no Python."""
    with layer_over([pristine], tmp_path) as (root, _):
        yield root


@pytest.fixture(scope="session")
def bootable(pristine, tmp_path_factory) -> Iterator[list[Path]]:
    """A Debian with systemd, and what the package depends on: its layers."""
    with layer_over([pristine], tmp_path_factory.mktemp("bootable")) as (root, upper):
        install_inside(root, "systemd", "python3.11", "adduser", "ca-certificates")
        yield [upper, pristine]


@pytest.fixture
def machine(bootable, tmp_path):
    """A freshly booted Debian."""
    with layer_over(bootable, tmp_path) as (root, _), booted(root) as made:
        yield made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"  # a copy, for building leaves things behind
    source.mkdir()
    shutil.copytree(ROOT / "dispatchd", source / "dispatchd")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "packaging").mkdir()
    shutil.copy(ROOT / "packaging" / "dispatchd.1", source / "packaging")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", directory, source],
        check=True,
    )
    (made,) = directory.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def deb(tmp_path_factory) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not on this machine")
    return build("packaging/deb/build", tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="session")
def single_file(tmp_path_factory) -> Path:
    return build("packaging/single/build", tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="session")
def single_file_with_extras(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("extras")
    return build("packaging/single/build", directory, "--extras", "otel,apprise")
