"""Floods: too many requests, too many connections, and clients that never finish."""

import asyncio

import pytest
from patience import HANG_S
from rig import SECRET, FakeClock, StartDaemon
from rig_socket import BODY, answer, connect, request

from dispatchd.receive import body as body_module
from dispatchd.receive.room import MIB, Bounds, Rates, Room

CONFIG = f"""
server: {{listen: '127.0.0.1:0', trusted_proxies: [127.0.0.1]}}
endpoints:
  my-slug: {{secret: {SECRET}}}
  slow: {{secret: {SECRET}, rate_limit: {{rate: 30/m, burst: 2}}}}
  fair: {{secret: {SECRET}, rate_limit: 100/s, rate_limit_per_ip: 1/h}}
  known: {{secret: {SECRET}, allow_ips: [192.0.2.0/24, "2001:db8::1"]}}
"""


def via(client: str) -> dict[str, str]:
    return {"X-Forwarded-For": client}


async def test_an_endpoint_over_its_rate_is_a_429(start_daemon: StartDaemon) -> None:
    clock = FakeClock()
    daemon = await start_daemon(CONFIG, clock=clock)
    for client in ("192.0.2.1", "192.0.2.2"):
        await daemon.accepted(BODY, slug="slow", headers=via(client))
    status, document, headers = await daemon.post(BODY, slug="slow")
    assert (status, document["error"]["code"]) == (429, "rate_limited")
    assert headers["Retry-After"] == "2"
    await daemon.accepted(BODY)  # another endpoint's flood is not ours
    clock.advance(1.0)
    status, _, headers = await daemon.post(BODY, slug="slow")
    assert (status, headers["Retry-After"]) == (429, "1")
    clock.advance(1.0)
    await daemon.accepted(BODY, slug="slow")
    assert len(daemon.log.of("event", error="rate_limited")) == 2


async def test_one_client_over_its_rate_is_a_429(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(CONFIG, clock=FakeClock())
    await daemon.accepted(BODY, slug="fair", headers=via("192.0.2.1"))
    status, _, headers = await daemon.post(BODY, slug="fair", headers=via("6.6.6.6, 192.0.2.1"))
    assert (status, headers["Retry-After"]) == (429, "3600")
    await daemon.accepted(BODY, slug="fair", headers=via("192.0.2.2"))
    await daemon.accepted(BODY, slug="fair", headers={"Forwarded": "for=192.0.2.3"})


async def test_a_refusal_counts_no_forged_request_twice(start_daemon: StartDaemon) -> None:
    """Unsigned requests spend the rate too: checking a signature is what a flood costs."""
    daemon = await start_daemon(CONFIG, clock=FakeClock())
    for _ in range(2):
        status, _, _ = await daemon.post(BODY, slug="slow", secret="forged")
        assert status == 401
    status, _, _ = await daemon.post(BODY, slug="slow", secret="forged")
    assert status == 429


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.77", 202),
        ("::ffff:192.0.2.77", 202),
        ("2001:db8::1", 202),
        ("2001:db8::2", 403),
        ("198.51.100.7", 403),
        ("192.0.2.77, 198.51.100.7", 403),
        ("nonsense", 403),
    ],
)
async def test_allow_ips(start_daemon: StartDaemon, client: str, expected: int) -> None:
    daemon = await start_daemon(CONFIG)
    status, document, _ = await daemon.post(BODY, slug="known", headers=via(client))
    assert status == expected
    if expected == 403:
        assert document["error"]["code"] == "ip_not_allowed"


@pytest.mark.parametrize(
    ("server", "most"),
    [
        ("max_connections: 2", 2),
        ("max_connections_per_client: 3", 3),
        ("max_connections: 3, max_connections_per_client: 1, trusted_proxies: [127.0.0.1]", 3),
    ],
)
async def test_connections_over_the_limit_are_closed(
    start_daemon: StartDaemon, server: str, most: int
) -> None:
    config = CONFIG.replace("trusted_proxies: [127.0.0.1]", server)
    daemon = await start_daemon(config)
    held = []
    for _ in range(most):
        reader, writer = await connect(daemon)
        writer.write(request())
        assert b" 202 " in await reader.readuntil(b"\r\n")
        held.append(writer)
    for _ in range(3):
        reader, writer = await connect(daemon)
        status, raw = await answer(reader)
        assert status == 503
        assert b"Retry-After: 1\r\n" in raw
        writer.close()
    (line,) = await daemon.log.wait_for("connections_refused")
    assert (line["count"], line["connections"]) == (3, most)
    held.pop().close()
    status = 503
    while status == 503:  # until the daemon has seen the close
        reader, writer = await connect(daemon)
        writer.write(request(head="Connection: close\r\n"))
        status, _ = await answer(reader)
        writer.close()
    assert status == 202
    for writer in held:
        writer.close()


async def test_a_body_that_never_ends_is_a_408(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module.read_body, "__defaults__", (Rates(grace_s=0.05),))
    daemon = await start_daemon(CONFIG)
    reader, writer = await connect(daemon)
    writer.write(request(declared=len(BODY) + 1))
    status, raw = await answer(reader)
    assert status == 408
    assert b'"timeout"' in raw
    writer.close()
    await daemon.accepted(BODY)
    assert len(daemon.log.of("event", error="timeout")) == 1


async def test_bodies_that_were_only_announced_keep_nobody_out(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(CONFIG)
    writers = []
    for _ in range(20):  # 200 MiB announced, more than all bodies may take together
        _, writer = await connect(daemon)
        writer.write(request(declared=10 * 1024 * 1024))
        await writer.drain()
        writers.append(writer)
    await daemon.accepted(BODY)
    for writer in writers:
        writer.close()


async def test_bodies_held_back_leave_room(
    start_daemon: StartDaemon,
) -> None:
    """Thirteen bodies of 10 MiB without their last byte kept everybody out for 190 s."""
    daemon = await start_daemon(CONFIG)
    daemon.app._receiver._room = Room(Bounds(4 * MIB, 3 * MIB, MIB // 4, 2 * MIB))
    room, writers = daemon.app._receiver._room, []
    for number, held in ((1, 1), (1, 2), (2, 3)):
        _, writer = await connect(daemon)
        head = f"X-Forwarded-For: 192.0.2.{number}\r\n"
        writer.write(request(b"x" * (MIB - 1), declared=MIB, head=head))
        async with asyncio.timeout(HANG_S):
            while room.large_bytes < held * MIB - held:
                await asyncio.sleep(0)
        writers.append(writer)
    large = b'"' + b"x" * MIB + b'"'
    for client in ("192.0.2.1", "192.0.2.3"):  # over its share; over all shares
        status, document, headers = await daemon.post(large, headers=via(client))
        assert (status, document["error"]["code"]) == (503, "unavailable_overloaded")
        assert headers["Retry-After"] == "1"
        await daemon.accepted(BODY, headers=via(client))
        await daemon.accepted(b'"' + b"x" * 200_000 + b'"', headers=via("192.0.2.4"))
    for writer in writers:
        writer.close()
    async with asyncio.timeout(HANG_S):
        while room.all_bytes:
            await asyncio.sleep(0)
    await daemon.accepted(large, headers=via("192.0.2.1"))
    assert room.is_empty
