"""Clean Debian roots, and machines booted from them, for what a package does to one."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SUITE = "bookworm"
BOOT_S = 120
# Of this machine: neither its certificates nor its interpreters are anybody's inside a root.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def require(*tools: str) -> None:
    """Skip the test where this machine has no such tools, or does not let us use them."""
    if os.geteuid() != 0:
        pytest.skip("a root of its own needs root here")
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")


def bootstrap(root: Path) -> None:
    """Make a minimal Debian; skip the test where none can be had."""
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", SUITE, str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        last = (made.stdout + made.stderr).strip().splitlines()[-1:]
        pytest.skip(f"no Debian could be had: debootstrap: {' '.join(last)}")
    # Whom this machine trusts, its roots trust: a registry may be reached through a proxy.
    own = Path("/usr/local/share/ca-certificates")
    if own.is_dir():
        shutil.copytree(own, root / own.relative_to("/"), dirs_exist_ok=True)


@contextlib.contextmanager
def in_memory(directory: Path) -> Iterator[Path]:
    """Keep a directory in memory: what is made and deleted there thousandfold waits for no disk."""
    directory.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "tmpfs", directory]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


@contextlib.contextmanager
def layer_over(lower: Sequence[Path], beside: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a root that begins as `lower` (topmost first), and the layer that takes its changes.

    They go to memory, and away with it: far cheaper than a copy. Skips the test where the
    kernel has no such file system.
    """
    root = beside / "root"
    root.mkdir()
    with in_memory(beside / "layer") as layer:
        upper, work = layer / "upper", layer / "work"
        upper.mkdir()
        work.mkdir()
        options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, root],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            pytest.skip(f"no layer over a root could be made: {mounted.stderr.strip()}")
        try:
            yield root, upper
        finally:
            subprocess.run(["umount", "--lazy", root], check=True)


def inside(root: Path, *command: str) -> list[str]:
    """Return the command that runs `command` in a root, with a /proc; its pid is the command's."""
    return ["unshare", "--mount", f"--root={root}", "--mount-proc", *command]


def run_inside(root: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a root, `more` in its environment."""
    return subprocess.run(
        inside(root, *command),
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **more},
    )


def install_inside(root: Path, *packages: str) -> None:
    """Install Debian's packages in a root."""
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "--no-install-recommends", *packages],
    ):
        ran = run_inside(root, *command)
        assert ran.returncode == 0, ran.stdout + ran.stderr


class Machine:
    """A root with systemd as its process 1, and a network of its own: loopback."""

    def __init__(self, root: Path) -> None:
        self.root = root
        namespaces = ["--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup"]
        self._booted = subprocess.Popen(
            ["unshare", *namespaces, "--kill-child", str(HERE / "boot.sh"), str(root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def wait(self) -> None:
        """Return when it is up; skip the test where no machine can be made of a root."""
        end = time.monotonic() + BOOT_S
        state = ""
        while state not in {"running", "degraded"}:
            if self._booted.poll() is not None:
                assert self._booted.stderr is not None
                pytest.skip(f"no machine could be made: {self._booted.stderr.read().strip()}")
            assert time.monotonic() < end, f"not up after {BOOT_S} s, but {state!r}"
            time.sleep(0.05)
            state = self.run("systemctl", "is-system-running").stdout.strip()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it, as root."""
        parent = self._booted.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return subprocess.run(
            ["nsenter", f"--target={children[0] if children else 0}", "--all", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )

    def ok(self, *command: str) -> str:
        """Run a command that must succeed; return what it said."""
        ran = self.run(*command)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def unit(self, name: str) -> str:
        """Return a property of the daemon's unit."""
        return self.ok("systemctl", "show", "--value", "-p", name, "dispatchd").strip()

    def wait_for(self, *command: str, said: str) -> str:
        """Repeat a command until it says something; return what it said."""
        end = time.monotonic() + BOOT_S
        while said not in (out := self.run(*command).stdout):
            assert time.monotonic() < end, out
            time.sleep(0.05)
        return out

    def stop(self) -> None:
        """End every process of it."""
        self._booted.kill()
        self._booted.communicate()


@contextlib.contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """Boot a root, and end the machine afterwards."""
    require("unshare", "nsenter", "pivot_root")
    machine = Machine(root)
    try:
        machine.wait()
        yield machine
    finally:
        machine.stop()
