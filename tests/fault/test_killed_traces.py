"""SIGKILL and a collector that is away: a trace goes on, and the daemon ends in time."""

import asyncio
import socket
import time

import aiohttp
import pytest
from rig import Sink, holding, signature
from rig_otlp import collecting
from rig_process import MakeDaemon

from dispatchd.telemetry.exporting import CLOSE_S

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BODY = b'{"action":"opened"}'
HEADERS = {
    "X-Dispatch-Signature": signature(BODY),
    "traceparent": f"00-{TRACE}-{SPAN}-01",
}


async def test_what_a_kill_cut_off_goes_on_in_the_senders_trace(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession
) -> None:
    never = asyncio.Event()
    sink.answer = holding(never)
    async with collecting() as collector:
        daemon = make_daemon(sink.url, extra=f"telemetry: {{endpoint: '{collector.url}'}}\n")
        await daemon.start()
        url = f"http://127.0.0.1:{daemon.port}/hooks/my-slug"
        async with http.post(url, data=BODY, headers=HEADERS) as response:
            assert response.status == 202
        await sink.wait_for(1)
        await daemon.kill()
        sink.answer = None
        await daemon.start()
        (attempt,) = await collector.wait_for("attempt crm")
        assert attempt.trace_id == TRACE
        assert attempt.attributes["dispatchd.attempt.number"] == 1
        # It is the same attempt, made again: whoever saw the first request is told no other place.
        told = {headers["traceparent"] for headers, _ in sink.received}
        assert told == {f"00-{TRACE}-{attempt.span_id}-01"}
        assert await daemon.terminate() == 0
    never.set()


@pytest.mark.parametrize("kind", ["refuses", "never answers"])
async def test_the_end_does_not_wait_for_a_collector_that_is_away(
    make_daemon: MakeDaemon, sink: Sink, http: aiohttp.ClientSession, kind: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "never answers":
            taken.listen(16)
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        daemon = make_daemon(sink.url, extra=f"telemetry: {{endpoint: '{endpoint}'}}\n")
        await daemon.start()
        for _ in range(3):
            assert (await daemon.post(http, BODY))[0] == 202
        await daemon.log.wait_for("attempt", 3, result="success")
        began_s = time.monotonic()
        assert await daemon.terminate() == 0
        assert time.monotonic() - began_s < CLOSE_S + 7  # a try alone may take 10 s
        assert not daemon.log.of("library")
        assert not daemon.log.of("text")
