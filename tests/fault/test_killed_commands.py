"""SIGKILL of the daemon while a command runs: it is ended, and run again after the restart."""

import asyncio
import json
import sys
import textwrap
from pathlib import Path

import aiohttp
from patience import HANG_S
from rig import BODY, SECRET
from rig_process import ProcessDaemon

SCRIPT = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "1000"])
with open(RUNS, "a") as runs:
    runs.write(f"{os.getpid()} {child.pid} {os.environ['DISPATCH_EVENT_ID']}\\n")
if os.path.exists(GO):
    sys.exit(0)
time.sleep(1000)
"""


def there(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_killed_daemon_leaves_no_command_and_runs_it_again(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    runs, go, script = tmp_path / "runs", tmp_path / "go", tmp_path / "script.py"
    script.write_text(f"RUNS, GO = {str(runs)!r}, {str(go)!r}\n{SCRIPT}")
    config = tmp_path / "config.yaml"
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
    daemon = ProcessDaemon(config, tmp_path / "dispatchd.db")
    try:
        await daemon.start()
        status, document, _ = await daemon.post(http, BODY)
        assert status == 202
        async with asyncio.timeout(HANG_S):
            while not runs.exists() or not runs.read_text().endswith("\n"):
                await asyncio.sleep(0.01)
        await daemon.kill()
        program, child, _ = runs.read_text().split()
        async with asyncio.timeout(HANG_S):
            while there(program) or there(child):
                await asyncio.sleep(0.01)
        daemon.check_database()
        go.touch()
        await daemon.start()
        await daemon.log.wait_for("attempt", result="success")
        first, second = (line.split()[2] for line in runs.read_text().splitlines())
        assert first == second == document["event_id"]
        assert await daemon.terminate() == 0
        daemon.check_database()
    finally:
        if daemon._process is not None:
            await daemon.kill()
