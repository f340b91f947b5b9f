"""A daemon whose starter ignores and blocks signals: `nohup`, a shell's `&`, some supervisors."""

import json
import signal
import sqlite3
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from rig import BODY, SECRET
from rig_process import ProcessDaemon

STARTER = """
import os, signal, sys
numbers = [int(number) for number in sys.argv[1].split()]
for number in numbers:
    signal.signal(number, signal.SIG_IGN)
if sys.argv[2] == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
os.execv(sys.argv[3], sys.argv[3:])
"""
PROGRAM = """
import sys
lines = open("/proc/self/status").read().splitlines()
print([line.split()[1] for line in lines if line.startswith(("SigBlk:", "SigIgn:"))], flush=True)
sys.exit(3)
"""
BY_PYTHON = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # the program's own interpreter
IGNORED = [
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1,
    signal.SIGALRM, signal.SIGTSTP,
]  # fmt: skip


@pytest.mark.parametrize("mask", ["open", "blocked"])
async def test_a_program_is_handed_no_ignored_signal_and_its_exit_code_is_seen(
    tmp_path: Path, http: aiohttp.ClientSession, mask: str
) -> None:
    """With SIGCHLD ignored no process could be waited for: the config was not read."""
    script, config = tmp_path / "program.py", tmp_path / "config.yaml"
    script.write_text(PROGRAM)
    config.write_text(
        textwrap.dedent(f"""
        server: {{listen: '127.0.0.1:0'}}
        storage: {{url: 'sqlite:///{tmp_path}/dispatchd.db'}}
        endpoints:
          my-slug: {{secret: {SECRET}, destinations: [deploy]}}
        destinations:
          deploy: {{type: command, run: {json.dumps([sys.executable, str(script)])}}}
        """)
    )
    numbers = " ".join(str(int(number)) for number in IGNORED)
    wrapper = (sys.executable, "-c", STARTER, numbers, mask)
    daemon = ProcessDaemon(config, tmp_path / "dispatchd.db", wrapper)
    try:
        await daemon.start()
        assert (await daemon.post(http, BODY))[0] == 202
        (line,) = await daemon.log.wait_for("attempt")
        assert (line["result"], line["error"], line["status_code"]) == ("retrying", "rejected", 3)
        blocked, ignored = (int(mask, 16) for mask in json.loads(said(daemon).replace("'", '"')))
        assert blocked == 0
        assert ignored & ~BY_PYTHON == 0
        for number in (signal.SIGQUIT, signal.SIGUSR1):  # still nothing to the daemon itself
            daemon.process.send_signal(number)
        assert (await daemon.post(http, BODY + b" "))[0] == 202
        assert await daemon.terminate() == 0
        assert not daemon.log.of("text")
    finally:
        if daemon._process is not None:
            await daemon.kill()


def said(daemon: ProcessDaemon) -> str:
    """Return what the program put out, as the attempt keeps it."""
    with closing(sqlite3.connect(daemon.database)) as connection:
        (head,) = connection.execute("SELECT response_head FROM attempts").fetchone()
    return bytes(head).decode()
