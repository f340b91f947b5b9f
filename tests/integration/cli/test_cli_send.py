"""`dispatchd send` to a real server on loopback."""

import asyncio
import json
import socket
import threading
import time

import pytest
from aiohttp import web
from multidict import CIMultiDict
from patience import HANG_S

from dispatchd.verify import Auth, Genuine, Inbound, compile_verifier, sign

EVENT_ID = "0198c0de-0000-7000-8000-000000000001"


class Server:
    """Answers in a thread of its own, and remembers what came."""

    def __init__(self) -> None:
        self.status = 202
        self.reply = json.dumps({"event_id": EVENT_ID}).encode()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.queries: list[dict[str, str]] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        self.queries.append(dict(request.query))
        self.requests.append((request.path, dict(request.headers), await request.read()))
        return web.Response(status=self.status, body=self.reply)

    def start(self, unix_path: str | None = None) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(unix_path), self._loop).result(20)

    async def _start(self, unix_path: str | None) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        if unix_path:
            await web.UnixSite(self._runner, unix_path).start()
        else:
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self.port = self._runner.addresses[0][1]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server(world):
    """Return a server on the configured listener."""
    server = Server()
    server.start()
    world.configure(listen=f"127.0.0.1:{server.port}")
    yield server
    server.stop()


def test_signs_and_posts(world, server):
    ran = world.dispatchd("send", "my-slug")
    assert (ran.code, ran.out) == (0, f"202 event {EVENT_ID}\n")
    ((path, headers, body),) = server.requests
    assert path == "/hooks/my-slug"
    assert headers["X-Dispatch-Signature"] == sign(b"a-signing-secret", body)
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["action"] == "opened"


def test_a_file_goes_byte_for_byte(world, server):
    body = b'{ "a":\t1.10 }\r\n'
    file = world.directory / "payload.json"
    file.write_bytes(body)
    args = ("--event-type", "closed", "--header", "X-One: 1", "--header", "X-Two:2", "--json")
    ran = world.dispatchd("send", "my-slug", file, *args)
    assert ran.json() == {"status": 202, "event_id": EVENT_ID}
    _, headers, sent = server.requests[0]
    assert sent == body
    assert headers["X-Event-Type"] == "closed"
    assert (headers["X-One"], headers["X-Two"]) == ("1", "2")


PROVIDERS = """\
  stripe: {provider: stripe, secret: whsec_of-stripe}
  sms: {provider: twilio, secret: a-token, url: "https://hooks.example.com/hooks/sms"}
  bot: {provider: discord, public_key: "%s"}
  mail: {provider: mailgun, secret: a-mailgun-key}
""" % ("ab" * 32)


@pytest.fixture
def providers(world, server):
    """Add endpoints whose senders sign in ways of their own."""
    text = world.config.read_text()
    world.config.write_text(
        text.replace("destinations:\n  crm:", PROVIDERS + "destinations:\n  crm:")
    )


def test_signs_as_the_provider_does(world, server, providers):
    assert world.dispatchd("send", "stripe").code == 0
    _, headers, body = server.requests.pop()
    stripe = compile_verifier(Auth("stripe", (b"whsec_of-stripe",)))
    assert stripe.verify(Inbound("POST", CIMultiDict(headers), "", body, time.time())) == Genuine(
        "stripe[0]"
    )
    assert world.dispatchd("send", "mail").code == 0
    _, _, body = server.requests.pop()
    assert set(json.loads(body)["signature"]) == {"timestamp", "token", "signature"}


def test_a_hash_of_the_body_stands_in_the_query(world, server, providers):
    assert world.dispatchd("send", "sms").code == 0
    assert (
        world.dispatchd("send", "sms", "--url", f"http://127.0.0.1:{server.port}/x?a=1").code == 0
    )
    assert [list(query) for query in server.queries] == [["bodySHA256"], ["a", "bodySHA256"]]


def test_what_only_the_provider_can_sign_needs_an_api_key(world, server, providers):
    ran = world.dispatchd("send", "bot")
    assert ran.code == 2
    assert "use --api-key" in ran.err
    assert world.dispatchd("send", "bot", "--api-key", "dsp_given").code == 0


def test_a_file_without_what_is_signed_is_said(world, server, providers):
    file = world.directory / "payload.json"
    file.write_text('{"a":1}')
    ran = world.dispatchd("send", "mail", file)
    assert ran.code == 1
    assert "cannot sign as mailgun: the body's signature.timestamp is missing" in ran.err
    assert server.requests == []


def test_a_given_header_replaces_its_default(world, server):
    world.dispatchd("send", "my-slug", "--header", "x-dispatch-signature: sha256=wrong")
    _, headers, _ = server.requests[0]
    assert [v for k, v in headers.items() if k.lower() == "x-dispatch-signature"] == [
        "sha256=wrong"
    ]


def test_standard_input(world, server, process):
    running = process("send", "my-slug", "-", "--config", world.config)  # its input is empty
    out, _ = running.communicate(timeout=HANG_S)
    assert out.startswith(b"202 event ")
    assert server.requests[0][2] == b""


def test_a_refusal_is_exit_1(world, server):
    server.status = 401
    server.reply = b'{"error":{"code":"invalid_signature","message":"does not \\u001b[2Jmatch"}}'
    ran = world.dispatchd("send", "my-slug")
    assert ran.code == 1
    assert "401 invalid_signature: does not" in ran.err
    assert "\x1b" not in ran.err + ran.out
    server.reply = b'{"error":{"code":"invalid_signature","message":"no"}}'
    ran = world.dispatchd("send", "my-slug", "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["error"]["code"] == "invalid_signature"
    server.status, server.reply = 302, b"elsewhere\x07"
    ran = world.dispatchd("send", "my-slug")
    assert ran.code == 1
    assert r"302 elsewhere\x07" in ran.err


EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2028"


@pytest.mark.parametrize("status", [202, 401])
@pytest.mark.parametrize(
    "reply",
    [
        {"event_id": EVIL},
        {"error": {"code": EVIL, "message": EVIL}},
        {EVIL: EVIL},
        EVIL,
    ],
    ids=["an id", "an error", "fields", "text"],
)
def test_the_server_cannot_command_the_terminal(world, server, status, reply):
    server.status = status
    server.reply = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
    for args in ((), ("--json",)):
        ran = world.dispatchd("send", "my-slug", *args)
        assert ran.code == (0 if status == 202 else 1)
        assert all(c.isprintable() or c == "\n" for c in ran.out + ran.err)


def test_an_endpoint_without_secret_needs_an_api_key(world, server, monkeypatch):
    ran = world.dispatchd("send", "keyed")
    assert ran.code == 2
    assert "DISPATCHD_API_KEY" in ran.err
    monkeypatch.setenv("DISPATCHD_API_KEY", "dsp_fromenv")
    assert world.dispatchd("send", "keyed").code == 0
    assert world.dispatchd("send", "keyed", "--api-key", "dsp_given").code == 0
    assert world.dispatchd("send", "my-slug").code == 0
    assert world.dispatchd("send", "my-slug", "--api-key", "dsp_given").code == 0
    proofs = [
        (headers.get("Authorization"), "X-Dispatch-Signature" in headers)
        for _, headers, _ in server.requests
    ]
    assert proofs == [
        ("Bearer dsp_fromenv", False),
        ("Bearer dsp_given", False),
        (None, True),
        ("Bearer dsp_given", False),
    ]


def test_a_unix_socket_listener(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "h.sock"
    world.configure(listen=f"unix:{path}")
    ran = world.dispatchd("send", "my-slug")
    assert ran.code == 1
    assert f"cannot connect to unix:{path}" in ran.err
    assert "is `dispatchd serve` running?" in ran.err
    server = Server()
    server.start(str(path))
    try:
        assert world.dispatchd("send", "my-slug").out == f"202 event {EVENT_ID}\n"
        assert server.requests[0][0] == "/hooks/my-slug"
    finally:
        server.stop()


def test_any_address_is_reached_on_loopback(world, server):
    world.configure(listen=f"0.0.0.0:{server.port}")
    assert world.dispatchd("send", "my-slug").code == 0


def test_another_url(world, server):
    world.configure(listen="127.0.0.1:1")
    url = f"http://127.0.0.1:{server.port}/elsewhere"
    assert world.dispatchd("send", "my-slug", "--url", url).code == 0
    assert server.requests[0][0] == "/elsewhere"
    for bad in ("nonsense", "ftp://127.0.0.1/", "http://"):
        assert world.dispatchd("send", "my-slug", "--url", bad).code == 2


def test_nobody_listens(world):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        world.configure(listen=f"127.0.0.1:{closed.getsockname()[1]}")
        ran = world.dispatchd("send", "my-slug")
    assert ran.code == 1
    assert "is `dispatchd serve` running?" in ran.err


def test_an_answer_that_is_no_http(world):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            peer, _ = listener.accept()
            peer.recv(65536)
            peer.sendall(b"220 smtp \x1b[2J ready\r\n")
            peer.close()

        thread = threading.Thread(target=answer)
        thread.start()
        world.configure(listen=f"127.0.0.1:{listener.getsockname()[1]}")
        ran = world.dispatchd("send", "my-slug")
        thread.join()
    assert ran.code == 1
    assert "no proper answer" in ran.err
    assert "\x1b" not in ran.err


@pytest.mark.parametrize(
    "args",
    [
        ("my-slag",),
        ("my-slug", "no-such-file.json"),
        ("my-slug", "--header", "nocolon"),
        ("my-slug", "--header", "Bad Name: x"),
        ("my-slug", "--header", "X-A: b\r\nX-C: d"),
        ("my-slug", "--event-type", "a\nb"),
        ("my-slug", "--api-key", "dsp_\n"),
        (),
    ],
)
def test_usage_errors(world, args):
    assert world.dispatchd("send", *args).code == 2


def test_an_unknown_endpoint_names_the_nearest(world):
    assert "did you mean 'my-slug'?" in world.dispatchd("send", "my-slag").err
