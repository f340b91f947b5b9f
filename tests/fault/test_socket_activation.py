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
from rig import SECRET, signature
from rig_process import ProcessDaemon

RESTARTS = int(os.environ.get("DISPATCHD_RESTARTS", "2"))
PER_S = 1000
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
        made = socket.create_server(("127.0.0.1", 0), backlog=4096)
    else:
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(tmp_path / "hooks.sock"))
        made.listen(4096)
    with made:
        yield made


async def ask(kept: socket.socket, answers: list[str]) -> None:
    """Post once, on a connection of its own; note the status, or what went wrong."""
    address = kept.getsockname()
    try:
        async with asyncio.timeout(60):
            if kept.family == socket.AF_UNIX:
                reader, writer = await asyncio.open_unix_connection(address)
            else:
                reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
    except OSError as error:
        answers.append(repr(error))
    else:
        answers.append(answer[9:12].decode() or "closed without an answer")


async def load(kept: socket.socket, answers: list[str], stop: asyncio.Event) -> None:
    """Ask at an even rate, whatever becomes of what was asked before."""
    began_s, asked = time.monotonic(), 0
    async with asyncio.TaskGroup() as asking:
        while not stop.is_set():
            due = int((time.monotonic() - began_s) * PER_S)
            for _ in range(due - asked):
                asking.create_task(ask(kept, answers))
            asked = due
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
async def test_no_request_is_refused_while_it_restarts(
    tmp_path: Path, kept: socket.socket, number: int
) -> None:
    config, database = tmp_path / "config.yaml", tmp_path / "dispatchd.db"
    config.write_text(CONFIG.replace("DATABASE", str(database)))
    answers: list[str] = []
    stop = asyncio.Event()
    daemon = ProcessDaemon(config, database, ("sh", "-c", SYSTEMD, "sh"), stdin=kept)
    await daemon.start()
    loading = asyncio.create_task(load(kept, answers, stop))
    try:
        for restart in range(RESTARTS):
            while len(answers) < 500 * (restart + 1):
                await asyncio.sleep(0.01)
            daemon.process.send_signal(number)
            await daemon._gone()
            await daemon.start()
        while len(answers) < 500 * (RESTARTS + 1):
            await asyncio.sleep(0.01)
    finally:
        stop.set()
        await loading
        await daemon.kill()
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
