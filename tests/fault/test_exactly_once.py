"""The load test of bench/exactly_once.py, short: every event once for each success."""

import asyncio
import re
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"


async def test_under_failures_late_answers_bursts_and_replays(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BENCH / "exactly_once.py"),
        *("--deliveries", "2000", "--directory", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "deliveries lost, doubled or left over: 0" in text, text
    replayed = re.search(
        r"^replays +(\d+) deliveries in (\d+) calls of the command", text, re.MULTILINE
    )
    assert replayed is not None, text
    assert min(map(int, replayed.groups())) > 0, text
