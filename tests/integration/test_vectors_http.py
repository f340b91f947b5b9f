"""Every provider's vectors through a running daemon: nothing but the 2xx and 4xx they name."""

import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from rig import FakeClock, RecordingLog

from dispatchd.app import App
from dispatchd.config import parse
from dispatchd.plan.compiling import compile_plan
from dispatchd.reading.reader import Asked
from dispatchd.receive.routes import Route

sys.path.insert(0, str(Path(__file__).parents[1] / "vectors"))
import reading

CASES: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = defaultdict(list)
for _name, _document, _case in reading.every_case():
    CASES[_document["provider"]].append((_name, _document, _case))


async def send_raw(port: int, case: dict[str, Any], slug: str) -> int:
    """Write the case's request as bytes: no client library tidies it up first."""
    request = case["request"]
    body = reading.expand(request["body"])
    query = reading.expand(request["query"])
    target = f"/hooks/{slug}".encode() + (b"?" + query if query else b"")
    head = request["method"].encode() + b" " + target + b" HTTP/1.1\r\nHost: x\r\n"
    for name, value in request["headers"]:
        head += name.encode() + b": " + reading.expand(value) + b"\r\n"
    head += b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        writer.write(head + body)
        answer = await reader.read(65536)
    except ConnectionError:
        return 0
    finally:
        writer.close()
    return int(answer[9:12])


class AtHand:
    """The vectors bring their documents along."""

    async def ensure(self, _pinned: object) -> bool:
        return True

    async def visit(self, _url: str) -> bool:
        return True


@pytest.mark.parametrize("provider", sorted(CASES))
async def test_vectors_over_http(provider: str, tmp_path: Path) -> None:
    clock = FakeClock()
    config = parse(f"""
    server: {{listen: '127.0.0.1:0'}}
    storage: {{url: 'sqlite:///{tmp_path}/d.db'}}
    endpoints: {{x: {{auth: none}}}}
    """)
    log = RecordingLog()
    app = App(compile_plan(config), log, clock=clock)
    await app.start()
    assert app.port is not None
    app._receiver._judge._fetcher = app._receiver._visitor = AtHand()
    try:
        wrong = []
        for index, (name, document, case) in enumerate(CASES[provider]):
            clock.wall_ms = int(document["now_s"] * 1000)
            verifier = reading.verifier_of(document, case)
            routes = app._receiver.routes
            route = Route(
                slug="x",
                endpoint_id=f"7b0c0000-0000-4000-8000-{index:012d}",
                verifier=verifier,
                asked=Asked("any", [path.split(".") for path in verifier.paths]),
                event_type_path=(),
                idempotency=None,
                filter=None,
                admission=None,
                links=(),
            )
            app._receiver.routes = type(routes)(
                by_slug={"x": route},
                client_ip=routes.client_ip,
                max_body_bytes=routes.max_body_bytes,
            )
            status = await send_raw(app.port, case, "x")
            expected = case.get("http") or (202 if case["ok"] else 401)
            if status != expected:
                wrong.append((name, status, expected))
        assert wrong == []
        assert log.of("internal_error") == []
    finally:
        await app.stop()
