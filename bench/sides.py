"""Two source trees side by side: what is started for each, and how their turns alternate."""

import os
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from first import first_accepted
from load import SECRET
from machine import RefusedError
from options import SLICES
from servers import THIS, Server, Side, config_text, daemon, free_port, launch

T = TypeVar("T")

EXAMPLE_SLUG = "my-slug"
# What of the example config must be this run's own, and nothing else.
EXAMPLE_LINES = (
    (r"^  listen: .*$", "  listen: 127.0.0.1:{port}"),
    (r"^  url: sqlite:.*$", "  url: sqlite:///{database}"),
    (r"^    secret: your-signing-secret.*$", f"    secret: {SECRET}"),
    (r"^    url: http://127.0.0.1:9000/.*$", "    url: {url}"),
)


@dataclass(frozen=True, slots=True)
class Running:
    side: Side
    server: Server
    database: Path


def base_side(tree: Path, python: str) -> Side:
    """The other checkout, as its interpreter runs it. Refuses one that would run another's code."""
    if os.sep in python:  # not resolved: a virtual environment's is a link to another
        python = str(Path(python).absolute())
    side = Side("base", tree.resolve(), python)
    for one in (THIS, side):
        found = _ask(one, "import dispatchd; print(dispatchd.__file__)")
        if not Path(found).resolve().is_relative_to(one.tree.resolve()):
            raise RefusedError(f"{one.name} would run code that is not in its tree")
    return side


def describe(side: Side) -> str:
    """The commit and the versions of what runs it."""
    head = subprocess.run(
        ["git", "-C", str(side.tree), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    code = (
        "import sys, importlib.metadata as m; print('Python', sys.version.split()[0],"
        " *(f'{n} {m.version(n)}' for n in ('aiohttp', 'uvloop', 'pydantic', 'orjson')))"
    )
    return f"{head.stdout.strip() or 'no commit known'}, {_ask(side, code)}"


def _ask(side: Side, code: str) -> str:
    done = subprocess.run(
        [side.python, "-c", code],
        env={**os.environ, "PYTHONPATH": str(side.tree)},
        cwd="/",  # as anywhere: a tree one stands in would come before PYTHONPATH
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RefusedError(f"{side.name} does not run:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


@contextmanager
def both(
    directory: Path,
    base: Side,
    *,
    url: str | None = None,
    endpoint_lines: Sequence[str] = (),
) -> Iterator[tuple[Running, Running]]:
    """This tree's daemon and the base's, both running, each on a new database."""
    with ExitStack() as stack:
        made = []
        for side in (THIS, base):
            its = directory / side.name.replace(" ", "_")
            its.mkdir(parents=True)
            server = stack.enter_context(
                daemon(its, url=url, endpoint_lines=endpoint_lines, side=side)
            )
            made.append(Running(side, server, its / "bench.db"))
        yield made[0], made[1]


async def alternate(count: int, one: Callable[[int], Awaitable[T]]) -> list[list[T]]:
    """Slices in turn, there and back, so that who comes first is not always the same."""
    made: list[list[T]] = [[] for _ in range(count)]
    for number in range(SLICES):
        for which in range(count) if number % 2 == 0 else reversed(range(count)):
            made[which].append(await one(which))
    return made


class Killed:
    """A daemon that is killed and started again on its database, which owes nothing."""

    def __init__(self, directory: Path, side: Side, url: str) -> None:
        self.side = side
        self.database = directory / "bench.db"
        self._config = directory / "config.yaml"
        self._port = free_port()
        self._config.write_text(config_text(self._port, self.database, url=url))
        self._server = launch(self._config, self._port, side=side)
        first_accepted(self._server, "generic")

    def again(self) -> float:
        """From SIGKILL to the first 202 of its successor, s."""
        killed = time.monotonic()
        self._server.kill()
        self._server = launch(self._config, self._port, side=self.side)
        first_accepted(self._server, "generic")
        return time.monotonic() - killed

    def close(self) -> None:
        self._server.kill()


def example_config(side: Side, directory: Path, port: int, url: str) -> Path:
    """The tree's own example config, with port, database, secret and destination of this run."""
    text = (side.tree / "config.example.yaml").read_text(encoding="utf-8")
    own = {"port": port, "database": directory / "bench.db", "url": url}
    for pattern, line in EXAMPLE_LINES:
        text, count = re.subn(
            pattern, lambda _, line=line: line.format(**own), text, flags=re.MULTILINE
        )
        if count != 1:
            raise RefusedError(f"{side.name}: the example config has {count} lines like {pattern}")
    config = directory / "config.yaml"
    config.write_text(text, encoding="utf-8")
    return config
