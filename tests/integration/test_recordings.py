"""Recorded webhooks of real senders through a running daemon: kept and forwarded byte for byte."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from patience import HANG_S
from rig import FakeClock, RecordingLog, Sink

from dispatchd import app as app_module
from dispatchd.app import App
from dispatchd.config import parse
from dispatchd.plan.compiling import compile_plan
from dispatchd.store import Store, store_from_url
from dispatchd.verify import Pinned, provider_names, storable_headers
from dispatchd.verify.providers import ALIASES

sys.path.insert(0, str(Path(__file__).parents[1] / "vectors"))
import reading

RECORDINGS = Path(__file__).parents[1] / "recordings"
SHAPES: dict[str, dict[str, Any]] = yaml.safe_load((RECORDINGS / "shapes.yaml").read_text())
RECORDED_S = 1_800_000_000
# Their proofs do not cover the body, or not all of it: a password, a JWT, a signature of fields.
BODY_NOT_SIGNED = {
    "gitlab-push", "jira-connect", "mailgun-delivered", "mailgun-route", "adyen-event",
    "google-pubsub", "sns-notification",
    # those that send the secret itself
    "telegram-event", "okta-event", "auth0-event", "postmark-event", "docker-hub-event",
    "alertmanager-event", "azure-event-grid-event", "plex-event", "uptime-kuma-event",
    "home-assistant-event",
}  # fmt: skip


@dataclass
class Recording:
    """One recorded request: its head as sent, its headers, its body."""

    head: bytes
    headers: list[tuple[str, str]]
    body: bytes


def recording(name: str) -> Recording:
    head, _, body = (RECORDINGS / f"{name}.http").read_bytes().partition(b"\n\n")
    lines = head.decode().split("\n")
    headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
    return Recording("\r\n".join(lines).encode() + b"\r\n\r\n", headers, body)


class _Documents(reading.Documents):
    """Certificates and key sets, as the vectors bring them along."""

    def __init__(self, **_given: object) -> None:
        by_url: dict[str, str] = {}
        for provider in ("paypal", "aws-sns", "google-pubsub"):
            by_url |= reading.document_of(provider)["certificates"]
        super().__init__(by_url, reading.document_of("paypal")["roots"])

    async def ensure(self, pinned: Pinned) -> bool:
        return self.get(pinned.url) is not None

    async def close(self) -> None:
        pass


def lower(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names of headers have no case, and the server spells the common ones its own way."""
    return [(name.lower(), value) for name, value in headers]


@dataclass
class Gateway:
    """A daemon with an endpoint for every shape, and all that it wrote."""

    port: int
    log: RecordingLog
    store: Store

    async def send(self, head: bytes, body: bytes) -> tuple[int, dict[str, Any]]:
        """Write a request as it is: no client library tidies it up first."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head + body)
        async with asyncio.timeout(HANG_S):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in answer.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            document = json.loads(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()
        return int(answer.split()[1]), document


@pytest.fixture
async def gateway(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    monkeypatch.setattr(app_module, "PinnedDocuments", _Documents)
    database = f"sqlite:///{tmp_path}/d.db"
    config = {
        "server": {"listen": "127.0.0.1:0"},
        "storage": {"url": database},
        "endpoints": {
            name: {**shape["endpoint"], "destinations": ["crm"]} for name, shape in SHAPES.items()
        },
        "destinations": {"crm": {"url": sink.url}},
    }
    clock, log = FakeClock(), RecordingLog()
    clock.wall_ms = RECORDED_S * 1000
    app = App(compile_plan(parse(yaml.safe_dump(config))), log, clock=clock)
    store = store_from_url(database)
    await app.start()
    await store.open()
    assert app.port is not None
    yield Gateway(app.port, log, store)
    await store.close()
    await app.stop()
    assert log.of("internal_error") == []


async def test_every_shape_arrives_as_it_was_sent(gateway: Gateway, sink: Sink) -> None:
    for name, shape in SHAPES.items():
        sent = recording(name)
        status, document = await gateway.send(sent.head, sent.body)
        assert (name, status, set(document)) == (name, 202, {"event_id"})
        event_id = document["event_id"]
        await gateway.log.wait_for("attempt", event_id=event_id)
        ((headers, body),) = [one for one in sink.received if event_id in one[0].values()]
        assert body == sent.body, name
        assert headers["Content-Type"] == shape["content_type"], name

        story = await gateway.store.get_event(event_id)
        assert story is not None
        assert story.event.body == sent.body
        assert story.event.event_type == shape["event_type"], name
        kept = storable_headers(dict(sent.headers))
        assert lower(story.event.headers) == lower(kept), name
        assert [delivery.status for delivery in story.deliveries] == ["success"]

        status, again = await gateway.send(sent.head, sent.body)
        assert (name, status) == (name, 409 if shape["again"] == 409 else 202)
        assert (again["event_id"] == event_id) == (shape["again"] != "new"), name
    assert all("notes" not in line for line in gateway.log.of("event"))


async def test_no_shape_survives_a_changed_byte(gateway: Gateway) -> None:
    for name in SHAPES.keys() - BODY_NOT_SIGNED:
        sent = recording(name)
        middle = len(sent.body) // 2
        changed = sent.body[:middle] + b"~" + sent.body[middle + 1 :]
        assert changed != sent.body
        status, document = await gateway.send(sent.head, changed)
        assert (name, status) == (name, 401)
        assert document["error"]["code"] == "invalid_signature"


async def test_no_secret_of_a_sender_is_kept(gateway: Gateway, sink: Sink, tmp_path: Path) -> None:
    proofs = set()
    for name in SHAPES:
        sent = recording(name)
        kept = {key for key, _ in storable_headers(dict(sent.headers))}
        # A delivery id by a name like a secret's: not kept with the headers, but remembered.
        kept.add("I-Twilio-Idempotency-Token")
        kept |= {key for key, _ in sent.headers if key.lower().endswith("timestamp")}  # no proof
        proofs |= {v for k, v in sent.headers if k not in kept and not v.isdigit()}
        await gateway.send(sent.head, sent.body)
    assert len(proofs) >= 25
    await gateway.log.wait_for("attempt", len(SHAPES))
    files = [path for path in tmp_path.glob("d.db*") if path.is_file()]  # not its control socket
    stored = b"".join(path.read_bytes() for path in files)
    shown = repr(gateway.log.lines) + repr([headers for headers, _ in sink.received])
    for proof in proofs:
        assert proof.encode() not in stored, proof
        assert proof not in shown, proof


def test_there_is_a_shape_for_every_provider() -> None:
    assert len(SHAPES) >= 25
    named = {shape["endpoint"].get("provider", "generic") for shape in SHAPES.values()}
    assert {ALIASES.get(name, name) for name in named} == set(provider_names()) - set(ALIASES)
    assert {path.stem for path in RECORDINGS.glob("*.http")} == set(SHAPES)
