"""What following the daemon live costs: end to end with 20 followers, beside none.

    python bench/live.py [--rounds 3] [--seconds 6] [--followers 20] [--directory DIR]

One daemon with an admin listener; slice by slice nobody follows it, or all of them do. Each
follower must be told every event of its slices, once.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import uvloop
from end_to_end import MAX_IN_FLIGHT, Run, measure, show, whole
from figures import FOLLOWED, judge, rounds_doubts
from load import CONNECTIONS, WARM_UP_S
from machine import RefusedError, finish, print_facts
from options import SLICES, endpoint_lines, load_doubts, load_text, parser
from proof import require_delivered
from quiet import uneven
from servers import config_text, free_port, pin_load, serving
from sink import Sink

FOLLOWERS = 20
MARK = b"\nid: "  # of an event; the greeting has one too
CAUGHT_UP_S = 20.0


class _Follower(asyncio.Protocol):
    """A connection to the stream that counts the ids it is told, and reads nothing else."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._end = b""
        self.told = -1  # the greeting's is none

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % self._port
        )

    def data_received(self, data: bytes) -> None:
        self.told += (self._end + data).count(MARK)
        self._end = data[1 - len(MARK) :]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def following(port: int, count: int) -> AsyncIterator[list[_Follower]]:
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(count):
        _, follower = await loop.create_connection(lambda: _Follower(port), "127.0.0.1", port)
        made.append(follower)
    await told(made, 0)
    yield made
    for follower in made:
        follower.close()


async def told(followers: list[_Follower], events: int) -> None:
    """Wait until each has been told so many; refuse where one is told more, or less in time."""
    try:
        async with asyncio.timeout(CAUGHT_UP_S):
            while any(one.told < events for one in followers):
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise RefusedError(
            f"a follower was told {min(f.told for f in followers)} of {events}"
        ) from None
    if any(one.told > events for one in followers):
        raise RefusedError(f"a follower was told {max(f.told for f in followers)} of {events}")


async def one_round(directory: Path, arguments: argparse.Namespace) -> tuple[Run, Run]:
    sink = Sink()
    await sink.start()
    port, admin = free_port(), free_port()
    database = directory / "bench.db"
    config = directory / "config.yaml"
    config.write_text(
        config_text(
            port,
            database,
            url=f"http://127.0.0.1:{sink.port}/in",
            endpoint_lines=endpoint_lines(arguments),
            destination_lines=[f"max_in_flight: {MAX_IN_FLIGHT}"],
        )
        + f"admin: {{listen: '127.0.0.1:{admin}'}}\n"
    )
    provider, seconds = arguments.provider, arguments.seconds / SLICES
    alone, followed = [], []
    with serving(config, port) as server:
        warm = await measure(server, sink, WARM_UP_S, database, provider)
        for _ in range(SLICES):
            alone.append(await measure(server, sink, seconds, database, provider))
            async with following(admin, arguments.followers) as followers:
                run = await measure(server, sink, seconds, database, provider)
                await told(followers, len(run.outcome.acked))
            followed.append(run)
    sink.close()
    both = whole([*alone, *followed])
    both.outcome.require_clean()
    require_delivered(database, warm.outcome.ids | both.outcome.ids)
    return whole(alone), whole(followed)


def main() -> None:
    options = parser(__doc__, seconds=6.0)
    options.add_argument("--followers", type=int, default=FOLLOWERS, help="that follow at once")
    arguments = options.parse_args()
    pin_load()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as base:
        print_facts(
            base,
            f"closed loop, {CONNECTIONS} connections, {load_text(arguments)}, one destination with "
            f"max_in_flight {MAX_IN_FLIGHT}; {arguments.followers} followers or none, in "
            f"{SLICES} alternating slices; {arguments.rounds} rounds of {arguments.seconds:g} s",
        )
        ratios, disturbed, doubts = [], 0, load_doubts(arguments)
        for number in range(arguments.rounds):
            directory = Path(base) / str(number)
            directory.mkdir()
            alone, followed = uvloop.run(one_round(directory, arguments))
            ratios.append(followed.rate / alone.rate)
            print(f"round {number + 1}: ratio {ratios[-1]:.3f}")
            show("alone", alone)
            show("followed", followed)
            disturbed += uneven(alone.seen, followed.seen)
            doubts += alone.outcome.doubts + followed.outcome.doubts
    print("every follower was told every event of its slices, once")
    doubts += rounds_doubts(ratios, disturbed)
    print(judge(FOLLOWED, statistics.median(ratios), doubts))


if __name__ == "__main__":
    finish(main)
