"""Restart after restart on a socket that systemd keeps: no sender is refused, nothing is lost.

`DISPATCHD_RESTARTS=20 pytest -s tests/fault/test_socket_activation.py` runs longer and prints
what it saw; 1,000 requests a second come meanwhile, each on a connection of its own.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import HANG_S
from rig import SECRET, signature
from rig_process import ProcessDaemon

RESTARTS = int(os.environ.get("DISPATCHD_RESTARTS", "2"))
PER_S = 1000
QUEUE_MAX = 50  # requests under way of a daemon that keeps up
BACKLOG = 4096
UNDER_WAY_MAX = 1000  # or a slow machine restarts so long that more come than a socket can keep
BODY = b'{"action":"opened"}'
# What systemd does before it runs the daemon: the socket becomes descriptor 3, and is named.
SYSTEMD = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=dispatchd.socket exec "$@" 3<&0 0</dev/null'
REQUEST = (
    f"POST /hooks/my-slug HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    f"X-Dispatch-Signature: {signature(BODY)}\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY
CONFIG = f"""
server: {{listen: systemd, max_connections: 20000, max_connections_per_client: 20000}}
storage: {{url: 'sqlite:///DATABASE'}}
endpoints: {{my-slug: {{secret: {SECRET}, event_type_path: action}}}}
"""


@pytest.fixture(params=["tcp", "unix"])
def kept(request, tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that listens for as long as the test runs, whoever accepts."""
    if request.param == "tcp":
        made = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    else:
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(tmp_path / "hooks.sock"))
        made.listen(BACKLOG)
    with made:
        yield made


class Load:
    """Asks at an even rate, each time on a connection of its own, whatever becomes of the others.

    Of those that wait there is a bound. `answers` are statuses, or what went wrong.
    """

    def __init__(self, kept: socket.socket) -> None:
        self.answers: list[str] = []
        self._kept = kept
        self._waiting = 0
        self._going = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Ask until stopped."""
        async with asyncio.TaskGroup() as asking:
            while not self._stop.is_set():
                await self._going.wait()
                began_s, asked = time.monotonic(), 0
                while self._going.is_set() and not self._stop.is_set():
                    due = int((time.monotonic() - began_s) * PER_S)
                    for _ in range(min(due - asked, UNDER_WAY_MAX - self._waiting)):
                        asking.create_task(self._ask())
                    asked = due
                    await asyncio.sleep(0.005)

    async def served(self) -> None:
        """Return under load, after some hundred answers more, with nobody left in the queue.

        A daemon that has just begun has accepted all who queued: to kill it then is another test.
        """
        enough = len(self.answers) + 500
        async with asyncio.timeout(HANG_S):
            self._going.set()
            while len(self.answers) < enough:
                await asyncio.sleep(0.001)
            if self._waiting > QUEUE_MAX:  # this machine does not keep up: let it
                self._going.clear()
                while self._waiting:
                    await asyncio.sleep(0.001)
                self._going.set()
                while not self._waiting:
                    await asyncio.sleep(0.001)

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._going.set()

    async def _ask(self) -> None:
        self._waiting += 1
        try:
            self.answers.append(await self._answer())
        except OSError as error:
            self.answers.append(repr(error))
        finally:
            self._waiting -= 1

    async def _answer(self) -> str:
        address = self._kept.getsockname()
        async with asyncio.timeout(HANG_S):
            if self._kept.family == socket.AF_UNIX:
                reader, writer = await asyncio.open_unix_connection(address)
            else:
                reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        return answer[9:12].decode() or "closed without an answer"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
async def test_no_request_is_refused_while_it_restarts(
    tmp_path: Path, kept: socket.socket, number: int
) -> None:
    config, database = tmp_path / "config.yaml", tmp_path / "dispatchd.db"
    config.write_text(CONFIG.replace("DATABASE", str(database)))
    daemon = ProcessDaemon(config, database, ("sh", "-c", SYSTEMD, "sh"), stdin=kept)
    await daemon.start()
    load = Load(kept)
    loading = asyncio.create_task(load.run())
    try:
        for _ in range(RESTARTS):
            await load.served()
            daemon.process.send_signal(number)
            await daemon._gone()
            await daemon.start()
        await load.served()
    finally:
        load.stop()
        await loading
        await daemon.kill()
    answers = load.answers
    wrong = [answer for answer in answers if answer != "202"]
    sys.stdout.write(
        f"{number.name}: {len(answers)} requests, {RESTARTS} restarts, not 202: {len(wrong)}\n"
    )
    if number == signal.SIGTERM:
        assert wrong == []
    else:  # what it had accepted goes with it; who waited to be accepted does not
        assert len(wrong) < len(answers) / 10
        assert not any("Refused" in answer for answer in wrong)
    daemon.check_database()
