"""The doctor's look at destinations, over real sockets: names, ports, certificates, proxies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiosmtpd.smtp import SMTP
from rig_raw import raw_servers
from rig_served import free_port
from rig_tls import Files, make_files, tls_server

from dispatchd.config import parse
from dispatchd.doctor import Finding, Patient, Verdict, destinations

Look = Callable[..., Any]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("files"), "localhost", days=90.5)


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("ending"), "localhost", days=5.5)


class Heard:
    """What a server was sent, after TLS."""

    def __init__(self) -> None:
        self.bytes = b""
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while data := await reader.read(65536):
            self.bytes += data


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    """Start a server; return its port and what it hears."""
    async with contextlib.AsyncExitStack() as running:

        async def start(tls: Any = None, unix: str | None = None) -> tuple[int, Heard]:
            servers = await running.enter_async_context(raw_servers(ssl=tls))
            heard = Heard()
            url = await servers(heard, unix=unix)
            port = 0 if unix else int(url.rsplit(":", 1)[1].split("/")[0])
            return port, heard

        yield start


async def look(yaml: str) -> dict[str, Finding]:
    """Look at the destinations of a config: `name: {…}` lines."""
    text = "proxy: none\ndestinations:\n" + "".join(f"  {line}\n" for line in yaml.splitlines())
    patient = Patient(parse(text), Path("config.yaml"), Path("d.db"), None, None)
    found = await destinations.all_of(patient)
    return {str(finding.name): finding for finding in found}


async def test_one_row_for_each_and_nothing_is_sent(
    serve: Look, files: Files, tmp_path: Path
) -> None:
    others = make_files(tmp_path, "other.example", days=90)
    tls, tls_heard = await serve(tls_server(files))
    other, _ = await serve(tls_server(others))
    plain, plain_heard = await serve()
    found = await look(
        f"""\
private: {{url: "https://localhost:{tls}/in?token=sekrit", tls: {{ca: "{files.ca}"}}}}
lax: {{url: "https://user:sekrit@127.0.0.1:{tls}/", tls: {{verify: false}}}}
strict: {{url: "https://localhost:{tls}/"}}
plain: {{url: "http://127.0.0.1:{plain}/sekrit"}}
other-name: {{url: "https://localhost:{other}/", tls: {{ca: "{others.ca}"}}}}"""
    )
    assert [found[name].verdict for name in found] == [
        Verdict.OK,
        Verdict.OK,
        Verdict.ACT,
        Verdict.OK,
        Verdict.ACT,
    ]
    assert "TLSv1.3; its certificate is good until" in found["private"].said
    assert found["private"].figures["certificate_days"] == 90
    assert "TLSv1.3, not verified; its certificate" in found["lax"].said
    assert "the certificate is refused: " in found["strict"].said
    assert "connects, without TLS" in found["plain"].said
    assert "the certificate is refused: " in found["other-name"].said
    assert (tls_heard.bytes, plain_heard.bytes) == (b"", b"")
    assert tls_heard.connections >= 2
    assert "sekrit" not in str(found)


async def test_certificates_that_end_soon(serve: Look, files: Files, ending: Files) -> None:
    theirs, _ = await serve(tls_server(ending))
    ours, _ = await serve(tls_server(files, client_ca=ending.ca))
    mine = f"cert: {ending.cert}, key: {ending.key}"
    found = await look(
        f"""\
theirs: {{url: "https://localhost:{theirs}/", tls: {{verify: false}}}}
ours: {{url: "https://localhost:{ours}/", tls: {{ca: "{files.ca}", {mine}}}}}"""
    )
    for name, whose in (("theirs", "its certificate"), ("ours", "our certificate (")):
        assert found[name].verdict is Verdict.ACT
        assert whose in found[name].said
        assert found[name].figures["certificate_days"] == 5


async def test_a_server_that_wants_a_certificate_of_ours(serve: Look, files: Files) -> None:
    """TLS 1.3 says so only after the handshake."""
    port, _ = await serve(tls_server(files, client_ca=files.ca))
    found = await look(f'crm: {{url: "https://localhost:{port}/", tls: {{ca: "{files.ca}"}}}}')
    assert found["crm"].verdict is Verdict.ACT
    assert "hangs up after the TLS handshake" in found["crm"].said


async def test_what_leads_nowhere(tmp_path: Path) -> None:
    port = free_port()
    nowhere = quote(str(tmp_path / "none.sock"), safe="")
    found = await look(
        f"""\
refused: {{url: "http://127.0.0.1:{port}/"}}
nobody: {{url: "http://no-such-host.invalid/"}}
public: {{url: "http://localhost:{port}/", allow_private: false}}
socket: {{url: "http+unix://{nowhere}/in"}}"""
    )
    assert {finding.verdict for finding in found.values()} == {Verdict.ACT}
    assert "Connection refused" in found["refused"].said
    assert "cannot resolve no-such-host.invalid" in found["nobody"].said
    assert "is a private address" in found["public"].said
    assert "No such file or directory" in found["socket"].said
    assert all(finding.todo for finding in found.values())


async def test_a_unix_socket(serve: Look, tmp_path: Path) -> None:
    path = tmp_path / "in.sock"
    _, heard = await serve(unix=str(path))
    found = await look(f'crm: {{url: "http+unix://{quote(str(path), safe="")}/in"}}')
    assert found["crm"].verdict is Verdict.OK
    assert heard.bytes == b""


async def test_one_that_never_answers_is_given_up_on_and_delays_nobody(serve: Look) -> None:
    """Its port takes connections, but TLS never begins: all of them wait at the same time."""
    deaf, heard = await serve()
    plain, _ = await serve()
    lines = [f'deaf{n}: {{url: "https://127.0.0.1:{deaf}/", timeout: 1s}}' for n in range(20)]
    async with asyncio.timeout(15):  # one after another they would take 20 s
        found = await look("\n".join([*lines, f'plain: {{url: "http://127.0.0.1:{plain}/"}}']))
    assert [finding.verdict for finding in found.values()] == [*[Verdict.ACT] * 20, Verdict.OK]
    assert "no connection within 1 s" in found["deaf0"].said
    assert b"HTTP" not in heard.bytes


async def test_through_a_proxy(serve: Look, files: Files) -> None:
    tls, heard = await serve(tls_server(files))
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", tls)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

        async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(data)

        try:
            await asyncio.gather(pipe(reader, there_writer), pipe(there_reader, writer))
        finally:
            there_writer.close()

    async def grumpy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with raw_servers() as servers:
        good, bad = (await servers(proxy, path="")), (await servers(grumpy, path=""))
        through = f"tls: {{ca: '{files.ca}'}}"
        with_password = good.replace("://", "://me:sekrit@")
        found = await look(
            f"""\
good: {{url: "https://localhost:{tls}/x", proxy: "{with_password}", {through}}}
bad: {{url: "https://localhost:{tls}/x", proxy: "{bad}", {through}}}"""
        )
    assert found["good"].verdict is Verdict.OK
    assert "through its proxy: TLSv1.3" in found["good"].said
    assert found["good"].figures["certificate_days"] == 90
    assert asked[0].startswith(f"CONNECT localhost:{tls} ".encode())
    assert found["bad"].verdict is Verdict.ACT
    assert "407" in found["bad"].said
    assert "sekrit" not in str(found)
    assert heard.bytes == b""


async def test_mail_servers(files: Files, ending: Files) -> None:
    """Up to STARTTLS: nobody logs in, no mail begins."""
    commands: list[str] = []

    class Server(SMTP):
        async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
            commands.append("AUTH")

        async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - likewise
            commands.append("MAIL")

    loop = asyncio.get_running_loop()
    servers = []

    async def start(tls: Any, starttls: Any) -> int:
        server = await loop.create_server(
            lambda: Server(None, tls_context=starttls, loop=loop), "127.0.0.1", 0, ssl=tls
        )
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    starttls = await start(None, tls_server(files))
    tls = await start(tls_server(ending), None)
    none = await start(None, None)
    who = "type: email, host: localhost, from: a@example.com, to: b@example.com"
    login = "user: me, password: sekrit"
    found = await look(
        f"""\
starttls: {{{who}, port: {starttls}, {login}, tls: {{ca: "{files.ca}"}}}}
tls: {{{who}, port: {tls}, security: tls, {login}, tls: {{ca: "{ending.ca}"}}}}
none: {{{who}, port: {none}, security: none}}
stripped: {{{who}, port: {none}, {login}}}
strange: {{{who}, port: {starttls}, {login}}}"""
    )
    for server in servers:
        server.close()
        await server.wait_closed()
    assert found["starttls"].verdict is Verdict.OK
    assert f"smtp://localhost:{starttls}: TLSv1.3; its certificate is" in found["starttls"].said
    assert found["tls"].verdict is Verdict.ACT
    assert found["tls"].figures["certificate_days"] == 5
    assert found["none"].verdict is Verdict.OK
    assert found["stripped"].verdict is Verdict.ACT
    assert "STARTTLS" in found["stripped"].said
    assert found["strange"].verdict is Verdict.ACT
    assert "the certificate is refused" in found["strange"].said
    assert commands == []
    assert "sekrit" not in str(found)


async def test_what_is_not_reached_over_the_network(tmp_path: Path) -> None:
    found = await look(
        f"""\
there: {{type: command, run: [/bin/true]}}
missing: {{type: command, run: [{tmp_path}/no-such-program, --token, sekrit]}}
services: {{type: apprise, urls: ["json://user:sekrit@127.0.0.1:9"]}}"""
    )
    assert found["there"].verdict is Verdict.OK
    assert found["missing"].verdict is Verdict.ACT
    assert "there is no program" in found["missing"].said
    assert found["services"].verdict is Verdict.OK
    assert "sekrit" not in str(found)


@pytest.mark.parametrize(
    ("keys", "token", "said"),
    [
        ("one: jobs", "a-long-admin-token", "1 key opens it"),
        ("one: jobs, two: jobs, other: others", "a-long-admin-token", "2 keys open it"),
        ("", "a-long-admin-token", "the admin token alone opens it"),
        ("one: jobs", "", "without admin.token everybody on this machine may"),
    ],
)
async def test_a_queue_is_told_by_who_may_claim(keys: str, token: str, said: str) -> None:
    """There is nothing to reach."""
    pairs = [pair.split(": ") for pair in keys.split(", ") if pair]
    entries = [
        f"  - {{name: {name}, hash: 'sha256:{number:064x}', pull: {queue}}}\n"
        for number, (name, queue) in enumerate(pairs)
    ]
    listed = f"api_keys:\n{''.join(entries)}" if entries else ""
    admin = f"listen: 127.0.0.1:8081{', token: ' + token if token else ''}"
    queues = "destinations: {jobs: {type: pull}, others: {type: pull}}"
    text = f"{listed}admin: {{{admin}}}\n{queues}\n"
    patient = Patient(parse(text), Path("config.yaml"), Path("d.db"), None, None)
    found, _ = await destinations.all_of(patient)
    assert (found.verdict, found.name) == (Verdict.OK, "jobs")
    assert found.said == f"a queue, which consumers claim from: {said}"
