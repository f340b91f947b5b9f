"""Listeners on sockets of systemd's, and a reload away from them and back."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from rig import RecordingLog, signature

from dispatchd import handed
from dispatchd.app import App
from dispatchd.config import parse
from dispatchd.errors import DispatchdError
from dispatchd.handed import HandedSockets
from dispatchd.plan.compiling import compile_plan

BODY = b'{"action":"opened"}'
TOKEN = "an-admin-token-of-some-length"
BASE = 210


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Two listeners at the descriptors that systemd would hand over; their ports."""
    monkeypatch.setattr(handed, "FIRST_DESCRIPTOR", BASE)
    with (
        socket.create_server(("127.0.0.1", 0)) as public,
        socket.create_server(("127.0.0.1", 0)) as admin,
    ):
        for index, made in enumerate((public, admin)):
            os.dup2(made.fileno(), BASE + index)
        yield [public.getsockname()[1], admin.getsockname()[1]]
    for index in range(2):
        os.close(BASE + index)


def two_sockets() -> HandedSockets:
    return HandedSockets(
        {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": "2",
            "LISTEN_FDNAMES": "dispatchd.socket:admin.socket",
        }
    )


def write(tmp_path: Path, listen: str) -> Path:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"server: {{listen: '{listen}'}}\n"
        f"admin: {{listen: 'systemd:admin.socket', token: {TOKEN}}}\n"
        f"storage: {{url: 'sqlite:///{tmp_path}/d.db'}}\n"
        "endpoints: {my-slug: {secret: a-secret}}\n"
    )
    return config


async def post(http: aiohttp.ClientSession, port: int) -> int:
    headers = {"X-Dispatch-Signature": signature(BODY, "a-secret")}
    url = f"http://127.0.0.1:{port}/hooks/my-slug"
    async with http.post(url, data=BODY, headers=headers) as response:
        return response.status


async def test_both_listeners_and_a_reload_away_and_back(tmp_path: Path, ports: list[int]) -> None:
    config = write(tmp_path, "systemd:dispatchd.socket")
    plan = compile_plan(parse(config.read_text()), str(config))
    app = App(plan, RecordingLog(), handed=two_sockets())
    await app.start()
    try:
        assert [app.port, app.admin_port] == ports
        async with aiohttp.ClientSession() as http:
            assert await post(http, ports[0]) == 202
            url = f"http://127.0.0.1:{ports[1]}/api/v1/endpoints"
            async with http.get(url) as response:
                assert response.status == 401
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with http.get(url, headers=headers) as response:
                assert response.status == 200
            write(tmp_path, f"127.0.0.1:{ports[0]}")  # systemd's, whom we do not share it with
            refused = await app.reload()
            assert refused.problems
            assert str(ports[0]) in refused.problems[0]
            write(tmp_path, "127.0.0.1:0")
            assert (await app.reload()).problems == ()
            assert app.port not in ports
            assert app.port is not None
            assert await post(http, app.port) == 202
            write(tmp_path, "systemd:dispatchd.socket")
            assert (await app.reload()).problems == ()
            assert app.port == ports[0]
            assert await post(http, ports[0]) == 202
    finally:
        await app.stop()


async def test_without_a_socket_it_says_what_to_do(tmp_path: Path) -> None:
    config = write(tmp_path, "systemd")
    app = App(compile_plan(parse(config.read_text()), str(config)), RecordingLog())
    with pytest.raises(DispatchdError, match=r"systemctl enable --now dispatchd\.socket"):
        await app.start()
