"""How destinations are reached: proxies, certificates, sockets, addresses that are refused."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rig import StartDaemon
from rig_raw import OK, Serve, one_request, raw_servers
from rig_tls import Files, make_files, tls_server

from dispatchd.model import ErrorClass, Failure, Outcome, Reply, Request, Via
from dispatchd.send import HttpSender
from dispatchd.send.classify import FilesUnusable
from dispatchd.send.tls import TlsContexts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("files"), "tls.example")


@dataclass
class Server:
    port: int
    requests: list[tuple[bytes, bytes]]
    peers: list[object]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    async with contextlib.AsyncExitStack() as running:

        async def start(
            handler: Serve | None = None, tls: ssl.SSLContext | None = None, path: str | None = None
        ) -> Server:
            seen = Server(0, [], [])

            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                seen.peers.append(writer.get_extra_info("peercert"))
                while True:
                    seen.requests.append(await one_request(reader))
                    writer.write(OK)

            servers = await running.enter_async_context(raw_servers(ssl=tls))
            url = await servers(handler or answer, unix=path)
            seen.port = urlsplit(url).port or 0
            return seen

        yield start


@dataclass
class Proxy:
    """A proxy that opens tunnels to one port, whatever name is asked for."""

    to: int
    heads: list[bytes]
    answer: bytes = b"HTTP/1.0 200 Connection established\r\n\r\n"

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            writer.write(self.answer)
            await asyncio.gather(self.pipe(reader, there_writer), self.pipe(there_reader, writer))
        finally:
            there_writer.close()

    async def pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
            writer.write_eof()


def post(url: str, via: Via, timeout_s: float = 10.0) -> Request:
    return Request("POST", url, {}, b"{}", timeout_s, via)


async def send(*requests: Request, **kwargs: object) -> list[Outcome]:
    async with HttpSender(**kwargs) as sender:  # type: ignore[arg-type]
        return [await sender.send(request) for request in requests]


def assert_failed(outcome: Outcome, error: ErrorClass) -> str:
    assert isinstance(outcome, Failure), outcome
    assert outcome.error is error, outcome
    return outcome.message


Start = Callable[..., Awaitable[Server]]


async def test_a_private_authority_is_trusted_where_it_is_named(serve: Start, files: Files) -> None:
    server = await serve(tls=tls_server(files))
    url = f"https://127.0.0.1:{server.port}/"
    good, bad, lax = await send(
        post(url, Via(ca=files.ca)), post(url, Via()), post(url, Via(verify=False))
    )
    assert isinstance(good, Reply)
    assert_failed(bad, ErrorClass.TLS)
    assert isinstance(lax, Reply)
    assert len(server.requests) == 2


async def test_a_certificate_for_another_name_is_refused(serve: Start, files: Files) -> None:
    server = await serve(tls=tls_server(files))
    wrong, right = await send(
        post(f"https://other.example:{server.port}/", Via(ca=files.ca)),
        post(f"https://tls.example:{server.port}/", Via(ca=files.ca)),
        lookup=lambda host: ("127.0.0.1",),
    )
    assert_failed(wrong, ErrorClass.TLS)
    assert isinstance(right, Reply)
    assert len(server.requests) == 1


async def test_a_client_certificate_is_shown(serve: Start, files: Files) -> None:
    server = await serve(tls=tls_server(files, client_ca=files.ca))
    url = f"https://127.0.0.1:{server.port}/"
    (good,) = await send(post(url, Via(ca=files.ca, cert=files.cert, key=files.key)))
    assert isinstance(good, Reply)
    assert server.peers[0]
    (bad,) = await send(post(url, Via(ca=files.ca)))
    assert isinstance(bad, Failure)


async def test_files_are_read_again_when_they_change(
    serve: Start, files: Files, tmp_path: Path
) -> None:
    server = await serve(tls=tls_server(files))
    url = f"https://127.0.0.1:{server.port}/"
    mine = make_files(tmp_path / "mine")
    async with HttpSender() as sender:
        assert_failed(await sender.send(post(url, Via(ca=mine.ca))), ErrorClass.TLS)
        Path(mine.ca).write_bytes(Path(files.ca).read_bytes() + b"\n")
        assert isinstance(await sender.send(post(url, Via(ca=mine.ca))), Reply)
    (gone,) = await send(post(url, Via(ca=str(tmp_path / "none"))))
    assert "cannot be used" in assert_failed(gone, ErrorClass.TLS)


async def test_plain_http_is_handed_to_the_proxy(serve: Start) -> None:
    proxy = await serve()
    via = Via(proxy=f"http://us%3Aer:pass@127.0.0.1:{proxy.port}")
    outcomes = await send(*[post("http://name.invalid/in?a=%2f", via)] * 2)
    assert [type(outcome) for outcome in outcomes] == [Reply, Reply]
    head = proxy.requests[0][0]
    assert head.startswith(b"POST http://name.invalid/in?a=%2f HTTP/1.1\r\nHost: name.invalid\r\n")
    assert b"\r\nProxy-Authorization: Basic dXM6ZXI6cGFzcw==\r\n" in head
    assert len(proxy.peers) == 1  # its connection is kept too


async def test_tls_goes_through_a_tunnel(serve: Start, files: Files) -> None:
    server = await serve(tls=tls_server(files))
    tunnels = Proxy(server.port, [])
    proxy = await serve(tunnels)
    via = Via(proxy=f"http://u:p@127.0.0.1:{proxy.port}", ca=files.ca)
    outcomes = await send(*[post("https://tls.example/in", via)] * 2)
    assert [type(outcome) for outcome in outcomes] == [Reply, Reply]
    (head,) = tunnels.heads
    assert head.startswith(b"CONNECT tls.example:443 HTTP/1.1\r\nHost: tls.example:443\r\n")
    assert b"Proxy-Authorization: Basic dTpw\r\n" in head
    assert [head.split(b"\r\n")[0] for head, _ in server.requests] == [b"POST /in HTTP/1.1"] * 2
    assert b"Proxy-Authorization" not in server.requests[0][0]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", ErrorClass.NETWORK),
        (b"HTTP/1.1 200 OK\r\n\r\nbytes before TLS", ErrorClass.NETWORK),
        (b"SSH-2.0\r\n\r\n", ErrorClass.PROTOCOL),
    ],
)
async def test_a_proxy_that_opens_no_tunnel(
    serve: Start, files: Files, answer: bytes, error: ErrorClass
) -> None:
    server = await serve(tls=tls_server(files))
    proxy = await serve(Proxy(server.port, [], answer))
    via = Via(proxy=f"http://127.0.0.1:{proxy.port}", ca=files.ca)
    (outcome,) = await send(post("https://tls.example/in", via))
    assert_failed(outcome, error)
    assert server.requests == []


async def test_a_proxy_judges_names_and_we_judge_addresses(serve: Start) -> None:
    proxy = await serve()
    via = Via(proxy=f"http://127.0.0.1:{proxy.port}", allow_private=False)
    named, private, metadata = await send(
        post("http://name.invalid/", via),
        post("http://10.0.0.1/", via),
        post("http://169.254.169.254/latest", Via(proxy=via.proxy)),
    )
    assert isinstance(named, Reply)
    assert_failed(private, ErrorClass.BLOCKED)
    assert_failed(metadata, ErrorClass.BLOCKED)
    assert len(proxy.requests) == 1


async def test_a_unix_socket_is_a_destination(serve: Start, tmp_path: Path) -> None:
    path = str(tmp_path / "App.sock")
    server = await serve(path=path)
    url = f"http+unix://{path.replace('/', '%2F')}/in?a=b"
    outcomes = await send(*[post(url, Via())] * 2)
    assert [type(outcome) for outcome in outcomes] == [Reply, Reply]
    assert server.requests[0][0].startswith(b"POST /in?a=b HTTP/1.1\r\nHost: localhost\r\n")
    (gone,) = await send(post(url.replace("App", "none"), Via()))
    assert isinstance(gone, Failure)


async def test_the_next_address_is_tried(serve: Start) -> None:
    server = await serve()
    (outcome,) = await send(
        post(f"http://two.example:{server.port}/", Via()),
        lookup=lambda host: ("::1", "127.0.0.1"),
    )
    assert isinstance(outcome, Reply)


async def test_a_name_that_changes_its_mind_gains_nothing(serve: Start) -> None:
    """DNS rebinding: the address that is judged is the one that is connected to."""
    server = await serve()
    answers = iter([("127.0.0.1",)])
    (outcome,) = await send(
        post(f"http://rebind.example:{server.port}/", Via(allow_private=False)),
        lookup=lambda host: next(answers),
    )
    assert "rebind.example (127.0.0.1) is a private address" in assert_failed(
        outcome, ErrorClass.BLOCKED
    )
    assert server.requests == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]", "localhost"],
)
async def test_no_spelling_of_loopback_passes(serve: Start, host: str) -> None:
    server = await serve()
    (outcome,) = await send(post(f"http://{host}:{server.port}/", Via(allow_private=False)))
    assert_failed(outcome, ErrorClass.BLOCKED)
    assert server.requests == []


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]", "[fe80::1%25lo]"],
)
async def test_metadata_is_refused_always(host: str) -> None:
    (outcome,) = await send(post(f"http://{host}/latest/meta-data", Via()))
    assert "latest" not in assert_failed(outcome, ErrorClass.BLOCKED)


async def test_the_config_says_how(start_daemon: StartDaemon, serve: Start, files: Files) -> None:
    server = await serve(tls=tls_server(files))
    proxy = await serve(Proxy(server.port, []))
    daemon = await start_daemon(f"""
    proxy: http://127.0.0.1:{proxy.port}
    endpoints: {{my-slug: {{auth: none, destinations: [through, straight, blocked]}}}}
    destinations:
      through: {{url: 'https://tls.example/through', tls: {{ca: '{files.ca}'}}}}
      straight:
        url: 'https://127.0.0.1:{server.port}/straight'
        proxy: none
        tls: {{ca: '{files.ca}'}}
      blocked: {{url: 'http://localhost:{server.port}/', proxy: none, allow_private: false}}
    """)
    await daemon.accepted(b"{}", secret=None)
    await daemon.log.wait_for("attempt", count=2, result="success")
    await daemon.log.wait_for("attempt", error="blocked_ip", destination="blocked")
    paths = {head.split(b" ")[1] for head, _ in server.requests}
    assert paths == {b"/through", b"/straight"}


async def test_a_crowd_waits_for_one_context(files: Files) -> None:
    """Each takes tens of milliseconds to make: hundreds of first connections must share one."""
    contexts = TlsContexts()
    via = Via(ca=files.ca)
    first = asyncio.create_task(contexts.of(via))
    await asyncio.sleep(0)
    crowd = [asyncio.create_task(contexts.of(via)) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()  # who asked first may give up
    assert len({id(context) for context in await asyncio.gather(*crowd)}) == 1
    assert await contexts.of(via) is crowd[0].result()


async def test_files_that_were_broken_are_read_again(files: Files, tmp_path: Path) -> None:
    contexts = TlsContexts()
    broken = tmp_path / "ca.pem"
    broken.write_text("nothing")
    via = Via(ca=str(broken))
    for _ in range(2):
        with pytest.raises(FilesUnusable):
            await contexts.of(via)
    broken.write_bytes(Path(files.ca).read_bytes())
    assert await contexts.of(via)
