"""Mail by a real SMTP server: with STARTTLS, with a login, and with its refusals."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from rig import BODY, SECRET, StartDaemon
from rig_tls import make_files, tls_server

from dispatchd.model import Mail, MailServer, Via
from dispatchd.send.smtp import send

PASSWORD = "mail-sekrit-1"


class Box:
    """Takes mail, or answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[tuple[Envelope, EmailMessage]] = []
        self.answers: list[str] = []
        self.refused: set[str] = set()
        self.encrypted: list[bool] = []
        self.users: list[bytes] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - likewise
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.encrypted.append(session.ssl is not None)
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        read = message_from_bytes(envelope.content, policy=default)
        assert isinstance(read, EmailMessage)
        self.mails.append((envelope, read))
        return "250 queued as 42"

    def logs_in(self, *arguments: Any) -> AuthResult:
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        self.users.append(given.login)
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


Serve = Callable[..., Awaitable[int]]


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
async def serve(box: Box) -> AsyncIterator[Serve]:
    """Start a server; return its port."""
    loop = asyncio.get_running_loop()
    running = []

    async def start(**options: Any) -> int:
        server = await loop.create_server(
            lambda: SMTP(box, hostname="mail.example.com", loop=loop, **options), "127.0.0.1", 0
        )
        running.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in running:
        server.close()


PLAIN = ", security: none"


def config(port: int, extra: str = PLAIN, to: str = "a@example.com") -> str:
    return f"""
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [mail]}}
destinations:
  mail: {{type: email, host: 127.0.0.1, port: {port}, from: Ops <ops@example.com>,
          to: [{to}]{extra}}}
"""


async def test_a_mail_arrives(start_daemon: StartDaemon, serve: Serve, box: Box) -> None:
    daemon = await start_daemon(config(await serve()))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="success", status_code=250)
    ((envelope, mail),) = box.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("ops@example.com", ["a@example.com"])
    assert mail["Subject"] == "Opened at my-slug"
    assert mail["From"] == "Ops <ops@example.com>"
    assert mail["Message-ID"] == f"<{event_id}.mail.0@example.com>"
    (attempt,) = (await daemon.story(event_id)).attempts
    assert b"queued as 42" in attempt.response_head


async def test_a_refusal_is_tried_again_with_the_same_id(
    start_daemon: StartDaemon, serve: Serve, box: Box
) -> None:
    box.answers = ["451 come back later"]
    extra = ", security: none, retry: {backoff: [1ms], jitter: 0}"
    daemon = await start_daemon(config(await serve(), extra))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="success")
    (line,) = daemon.log.of("attempt", result="retrying")
    assert (line["error"], line["status_code"]) == ("rejected", 451)
    first, _ = (await daemon.story(event_id)).attempts
    assert b"come back later" in first.response_head
    assert len(box.mails) == 1


async def test_of_several_recipients_one_is_enough_and_the_others_are_named(
    start_daemon: StartDaemon, serve: Serve, box: Box
) -> None:
    box.refused = {"b@example.com"}
    daemon = await start_daemon(config(await serve(), to="a@example.com, b@example.com"))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="success")
    (attempt,) = (await daemon.story(event_id)).attempts
    assert b"not to b@example.com: 550 no such user" in attempt.response_head


async def test_when_nobody_is_known_there_it_fails(
    start_daemon: StartDaemon, serve: Serve, box: Box
) -> None:
    box.refused = {"a@example.com"}
    daemon = await start_daemon(config(await serve()))
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="rejected", status_code=550)


def login(tls: str, password: str = PASSWORD) -> str:
    return f", user: ops, password: {password}, {tls}"


async def test_starttls_and_a_login(
    start_daemon: StartDaemon, serve: Serve, box: Box, tmp_path: Path
) -> None:
    files = make_files(tmp_path)
    port = await serve(
        tls_context=tls_server(files),
        require_starttls=True,
        authenticator=box.logs_in,
    )
    daemon = await start_daemon(config(port, login(f"tls: {{ca: {files.ca}}}")))
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="success")
    assert box.encrypted == [True]
    assert box.users == [b"ops"]


async def test_a_wrong_password_is_told_without_it(
    start_daemon: StartDaemon, serve: Serve, box: Box, tmp_path: Path
) -> None:
    files = make_files(tmp_path)
    port = await serve(tls_context=tls_server(files), authenticator=box.logs_in)
    wrong = "quite-wrong-1"
    daemon = await start_daemon(config(port, login(f"tls: {{ca: {files.ca}}}", wrong)))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="rejected", status_code=535)
    assert wrong not in repr(daemon.log.lines) + repr((await daemon.story(event_id)).attempts)


@pytest.mark.parametrize(
    ("extra", "error"),
    [
        ("", "protocol_error"),  # STARTTLS is asked for, and not on offer: never in the clear
        (", security: tls", "tls_error"),
    ],
)
async def test_what_may_go_wrong_has_its_class(
    start_daemon: StartDaemon, serve: Serve, box: Box, extra: str, error: str
) -> None:
    daemon = await start_daemon(config(await serve(), extra))
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error=error)
    assert box.mails == []


async def test_a_certificate_of_nobodys_is_refused(
    start_daemon: StartDaemon, serve: Serve, box: Box, tmp_path: Path
) -> None:
    context = tls_server(make_files(tmp_path))
    daemon = await start_daemon(config(await serve(tls_context=context), ""))
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="tls_error")


async def test_a_server_that_says_nothing(start_daemon: StartDaemon) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        daemon = await start_daemon(config(silent.getsockname()[1], PLAIN + ", timeout: 50ms"))
        await daemon.accepted(BODY)
        await daemon.log.wait_for("attempt", result="retrying", error="timeout")


async def test_a_server_that_is_not_there(start_daemon: StartDaemon) -> None:
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        daemon = await start_daemon(config(nobody.getsockname()[1]))
        await daemon.accepted(BODY)
        await daemon.log.wait_for("attempt", result="retrying", error="connection_refused")


async def test_a_server_that_never_says_goodbye_has_the_mail_once(
    start_daemon: StartDaemon, serve: Serve, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_server: SMTP, _argument: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(SMTP, "smtp_QUIT", silent)
    extra = PLAIN + ", timeout: 5s, retry: {backoff: [1ms], jitter: 0}"
    daemon = await start_daemon(config(await serve(), extra))
    await daemon.accepted(BODY)
    (line,) = await daemon.log.wait_for("attempt")
    assert (line["result"], line["status_code"]) == ("success", 250)
    assert len(box.mails) == 1


async def test_what_is_cut_at_its_goodbye_was_sent(
    serve: Serve, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    parting = asyncio.Event()

    async def silent(_server: SMTP, _argument: str) -> None:
        parting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(SMTP, "smtp_QUIT", silent)
    server = MailServer("127.0.0.1", await serve(), "none", None, None, Via())
    mail = Mail(server, "ops@example.com", ("a@example.com",), b"Subject: x\r\n\r\nx\r\n", 30.0)
    sending = asyncio.create_task(send(mail))
    await parting.wait()
    sending.cancel()
    outcome = await sending
    assert (outcome.status, len(box.mails)) == (250, 1)
