"""Start time and memory of ways to install dispatchd, beside the first one named.

    python packaging/measure.py [--runs 11] NAME[@ROOT]=COMMAND [...]

COMMAND is what runs `dispatchd` that way; with ROOT it is run in that root, as root. The ways take
turns, so that what else the machine does meets all of them. A start lasts from spawning the process
to the first 200 of /healthz, with a config of one endpoint and an empty database; memory is what is
resident (VmRSS) once it has answered, of the process and its own. Each way is started once before,
unmeasured: what is done once is not a start.
Only the standard library is needed. Linux.
"""

import argparse
import http.client
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

CONFIG = """\
server: {{listen: '127.0.0.1:{port}'}}
storage: {{url: 'sqlite:///{database}'}}
endpoints: {{my-slug: {{secret: of-no-consequence, destinations: [nowhere]}}}}
destinations: {{nowhere: {{url: 'http://127.0.0.1:9/'}}}}
"""
READY_S = 60.0
MB = 1_000_000


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("ways", nargs="+", metavar="NAME[@ROOT]=COMMAND")
    arguments = parser.parse_args()
    ways: dict[str, tuple[str, list[str]]] = {}
    for way in arguments.ways:
        name, equals, command = way.partition("=")
        if not equals:
            parser.error(f"not NAME=COMMAND: {way}")
        name, _, root = name.partition("@")
        ways[name] = root, shlex.split(command)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for run in range(arguments.runs + 1):
        for name, (root, command) in ways.items():
            figures = start(command, root)
            if run:
                measured[name].append(figures)
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in measured.items()
    }
    first = next(iter(medians.values()))
    say("| way | start, ms | ratio | memory, MB | ratio |")
    say("|---|---|---|---|---|")
    for name, values in medians.items():
        cells = [
            f"{value:.0f} | {value / base:.2f}" for value, base in zip(values, first, strict=True)
        ]
        say(f"| {name} | {' | '.join(cells)} |")


def start(command: list[str], root: str) -> tuple[float, float]:
    """Return ms to readiness, and the resident MB."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = Path(f"/tmp/dispatchd-measure-{os.getpid()}-{port}")  # noqa: S108 - every root has one
    directory = Path(root + str(own))
    directory.mkdir(mode=0o700)
    (directory / "config.yaml").write_text(CONFIG.format(port=port, database=own / "events.db"))
    entering = ["unshare", "--mount", f"--root={root}", "--mount-proc"] if root else []
    serve = ["serve", "--config", str(own / "config.yaml"), "--log-level", "error"]
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/local/bin:/usr/bin:/bin"}
    began = time.perf_counter()
    process = subprocess.Popen([*entering, *command, *serve], env=environment)  # noqa: S603 - the caller's own
    try:
        while not ready(port):
            if process.poll() is not None or time.perf_counter() - began > READY_S:
                sys.exit(f"not ready: {shlex.join(command)}")
            time.sleep(0.001)
        took_ms = (time.perf_counter() - began) * 1000
        return took_ms, sum(map(memory_mb, family(process.pid)))
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


def ready(port: int) -> bool:
    """Tell whether the daemon answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def family(pid: int) -> list[int]:
    """Return the process and those it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def memory_mb(pid: int) -> float:
    """Return what of a process is resident."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)  # noqa: T201 - its figures are what it is for


if __name__ == "__main__":
    main()
