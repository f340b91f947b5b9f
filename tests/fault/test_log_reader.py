"""Whoever reads the log may stop: webhooks go on, and no line that fits in memory is lost."""

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path

import aiohttp
from patience import HANG_S
from rig import SECRET, signature

WEBHOOKS = 600  # some 200 KB of lines, three times what a pipe holds


async def test_a_log_that_nobody_reads_stalls_no_webhook(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "server: {listen: '127.0.0.1:0'}\n"
        f"storage: {{url: 'sqlite:///{tmp_path}/dispatchd.db'}}\n"
        f"endpoints: {{my-slug: {{secret: {SECRET}}}}}\n"
    )
    out, into = os.pipe()
    command = ("-m", "dispatchd", "serve", "--config", str(config), "--log-format", "json")
    daemon = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=into)
    os.close(into)
    try:
        port = await asyncio.to_thread(_port, out)
        async with asyncio.timeout(HANG_S):
            for n in range(WEBHOOKS):
                body = b"%d" % n
                proof = {"X-Dispatch-Signature": signature(body)}
                url = f"http://127.0.0.1:{port}/hooks/my-slug"
                async with http.post(url, data=body, headers=proof) as response:
                    assert response.status == 202
            found: list[dict] = []
            reading = threading.Thread(target=lambda: found.extend(_lines(out)))
            reading.start()
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait() == 0
            await asyncio.to_thread(reading.join)
        assert [line["event"] for line in found].count("event") == WEBHOOKS
        assert found[-1]["event"] == "stopped"
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()
        os.close(out)


def _port(out: int) -> int:
    """Read until the daemon serves, and no further."""
    text = b""
    while b'"started"' not in text or not text.endswith(b"\n"):
        read = os.read(out, 1)
        assert read, text  # it ended
        text += read
    return next(json.loads(line)["port"] for line in text.splitlines() if b'"started"' in line)


def _lines(out: int) -> list[dict]:
    parts = []
    while part := os.read(out, 1 << 20):
        parts.append(part)
    return [json.loads(line) for line in b"".join(parts).splitlines()]
