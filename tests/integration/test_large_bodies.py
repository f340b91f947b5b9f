"""Large bodies: read elsewhere, judged as small ones are, and nobody waits for them."""

import asyncio
import hashlib
import hmac
import json
import signal
import threading
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from rig import SECRET, Daemon, Sink, StartDaemon, signature

from dispatchd.reading import reader as reader_module
from dispatchd.reading.content import read_content
from dispatchd.reading.json_text import NotJson
from dispatchd.reading.reader import (
    INLINE_JSON_MAX_BYTES,
    INLINE_MAX_BYTES,
    Asked,
    CannotRead,
    Reader,
    is_soon_read,
)
from dispatchd.verify import Verifier

FORM = "application/x-www-form-urlencoded"
DENSE = b"[" + b"[]," * 400_000 + b"[]]"


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    reader = Reader()
    yield reader
    await reader.close()


@pytest.mark.parametrize(
    ("body", "content_type", "bodies", "soon"),
    [
        (b"[" * INLINE_MAX_BYTES, "", "json", True),
        (b"[" * (INLINE_MAX_BYTES + 1), "", "json", False),
        (b'"' + b"a" * 900_000 + b'"', "", "json", True),
        (b'"' + b"a" * INLINE_JSON_MAX_BYTES + b'"', "", "json", False),
        (DENSE[:500_000], "", "any", False),
        (b"a=" + b"%41" * INLINE_MAX_BYTES, FORM, "form", False),
        (b"a=" + b"a" * INLINE_MAX_BYTES, FORM, "json", True),
    ],
)
def test_which_bodies_are_read_in_place(
    body: bytes, content_type: str, bodies: Any, soon: bool
) -> None:
    assert is_soon_read(body, content_type, bodies) is soon


@pytest.mark.parametrize(
    ("body", "content_type", "bodies"),
    [
        (b'{"a":{"b":"x"},"n":123456789012345678901234567890}', "", "json"),
        (b'{"a":{"b":"\\ud800"}}', "", "json"),
        (b'{"a":[1,2]}', "text/x", "any"),
        (b"no json", "text/plain", "any"),
        (b"n=1&n=2&a.b=x", FORM, "form"),
        (b'payload={"a":{"b":"x"}}', FORM, "form"),
        (b"", "", "json"),
        (b"{", "", "form"),
        (b'{"n":1e999}', "", "json"),
    ],
)
async def test_it_is_read_elsewhere_as_it_would_be_here(
    reader: Reader, body: bytes, content_type: str, bodies: Any
) -> None:
    asked = Asked(bodies, [("a", "b"), ("n",)], ("n",), json=True)
    for proven in (True, False):
        try:
            here = read_content(body, content_type, bodies, ("n",), json=True)
        except NotJson as error:
            with pytest.raises(NotJson, match=str(error)[:10]):
                await reader.read(body, content_type, asked, proven=proven)
            continue
        there = await reader.read(body, content_type, asked, proven=proven)
        assert there.content_type == here.content_type
        assert there.json == here.json
        if isinstance(here.document, dict) and isinstance(here.document.get("a"), dict):
            assert there.document["a"] == here.document["a"]
        exact = here.exact
        if isinstance(exact, (dict, list)) or exact == float("inf"):
            assert there.exact is None
        else:
            assert there.exact == (str(exact) if isinstance(exact, int) else exact)


async def test_a_reader_that_dies_or_is_late_is_replaced(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(paths=[("a",)])
    assert (await reader.read(b'{"a":1}', "", asked, proven=True)).document == {"a": 1}
    child = reader._proven._child
    assert child is not None
    child.kill()
    await child.wait()
    assert (await reader.read(b'{"a":2}', "", asked, proven=True)).document == {"a": 2}
    monkeypatch.setattr(reader_module, "READ_S", 0.0)
    with pytest.raises(CannotRead):
        await reader.read(DENSE, "", asked, proven=True)
    monkeypatch.setattr(reader_module, "READ_S", 10.0)
    assert (await reader.read(b'{"a":3}', "", asked, proven=True)).document == {"a": 3}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_what_is_told_to_all_processes_ends_no_reader(
    reader: Reader, number: signal.Signals
) -> None:
    """A Ctrl-C in the terminal was a traceback, and a 503 for whoever was being read."""
    await reader.read(b"1", "", Asked(), proven=True)
    child = reader._proven._child
    assert child is not None
    child.send_signal(number)
    assert (await reader.read(b"2", "", Asked(), proven=True)).document == 2
    assert reader._proven._child is child


async def test_one_owners_flood_keeps_no_other_waiting_for_all_of_it(reader: Reader) -> None:
    """Turns went by arrival: three bodies of one stranger kept a genuine sender from any."""
    done: list[str] = []

    async def read(owner: str) -> None:
        await reader.read(b"[]", "", Asked(), proven=False, owner=owner)
        done.append(owner)

    async with asyncio.TaskGroup() as group:
        for owner in ("flood", "flood", "flood", "flood", "a", "b", "a"):
            group.create_task(read(owner))
    assert done == ["flood", "flood", "a", "b", "flood", "a", "flood"]


async def test_who_gives_up_waiting_leaves_the_turn_to_others(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "TURN_S", 0.0)
    first = asyncio.create_task(reader.read(DENSE, "", Asked(), proven=False, owner="a"))
    await asyncio.sleep(0)
    with pytest.raises(CannotRead):
        await reader.read(b"1", "", Asked(), proven=False, owner="b")
    monkeypatch.setattr(reader_module, "TURN_S", 5.0)
    cut = asyncio.create_task(reader.read(b"1", "", Asked(), proven=False, owner="b"))
    last = asyncio.create_task(reader.read(b"2", "", Asked(), proven=False, owner="c"))
    await asyncio.sleep(0)
    cut.cancel()
    assert (await last).document == 2
    await first
    with pytest.raises(asyncio.CancelledError):
        await cut


async def test_an_idle_reader_ends(reader: Reader) -> None:
    await reader.read(b"1", "", Asked(), proven=True)
    child = reader._proven._child
    assert child is not None
    reader._proven._end()
    assert await child.wait() == 0
    assert (await reader.read(b"1", "", Asked(), proven=True)).document == 1


CONFIG = f"""
endpoints:
  my-slug:
    secret: {SECRET}
    event_type_path: meta.kind
    idempotency: {{body: meta.id}}
    filter: {{body.meta.keep: true}}
    destinations: [{{to: crm, filter: 'body.meta.keep and $count(body.rows) > 1000'}}]
  slack: {{provider: slack, secret: {SECRET}, filter: {{body.command: /deploy}}}}
  mailgun: {{provider: mailgun, secret: {SECRET}}}
  linear: {{provider: linear, secret: {SECRET}}}
destinations: {{crm: {{url: 'URL'}}}}
"""


@pytest.fixture
async def daemon(start_daemon: StartDaemon, sink: Sink) -> Daemon:
    return await start_daemon(CONFIG.replace("URL", sink.url))


def large(**meta: Any) -> bytes:
    return b'{"rows":[' + b"{}," * 600_000 + b'{}],"meta":%b}' % json.dumps(meta).encode()


async def test_a_large_webhook_is_judged_as_a_small_one(daemon: Daemon, sink: Sink) -> None:
    body = large(kind="x.y", id=12345678901234567890123, keep=True)
    event_id = await daemon.accepted(body)
    await sink.wait_for(1)
    assert sink.received[0][1] == body
    story = await daemon.story(event_id)
    assert story.event.event_type == "x.y"
    status, document, _ = await daemon.post(body + b" ")
    assert (status, document["event_id"]) == (409, event_id)
    await daemon.accepted(large(kind="x.y", id=12345678901234567890124, keep=True))
    filtered = await daemon.accepted(large(kind="x.y", id=1, keep=False))
    assert (await daemon.story(filtered)).event.filtered_by == "filter"
    status, document, _ = await daemon.post(body[:-1])
    assert (status, document["error"]["code"]) == (400, "invalid_json")


async def test_a_large_signed_form_is_judged_as_a_small_one(daemon: Daemon) -> None:
    body = b"command=%2Fdeploy&text=" + b"%41" * 100_000
    now = str(int(time.time()))
    signed = hmac.new(SECRET.encode(), f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": FORM,
        "X-Slack-Request-Timestamp": now,
        "X-Slack-Signature": f"v0={signed}",
    }
    event_id = await daemon.accepted(body, slug="slack", secret=None, headers=headers)
    story = await daemon.story(event_id)
    assert (story.event.event_type, story.event.status) == ("/deploy", "received")


async def test_a_large_body_may_hold_its_signature(daemon: Daemon) -> None:
    now = str(int(time.time()))
    fields = {"timestamp": now, "token": "t1", "event": "stored", "body-plain": "x" * 300_000}
    signed = hmac.new(SECRET.encode(), f"{now}t1".encode(), hashlib.sha256).hexdigest()
    body = urlencode(fields | {"signature": signed}).encode()
    headers = {"Content-Type": FORM}
    event_id = await daemon.accepted(body, slug="mailgun", secret=None, headers=headers)
    assert (await daemon.story(event_id)).event.event_type == "stored"
    forged = body.replace(signed.encode(), b"0" * 64)
    status, _, _ = await daemon.post(forged, slug="mailgun", secret=None, headers=headers)
    assert status == 401


async def test_unproven_bodies_are_never_read_on_the_loop(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 10 MB form kept the loop for 2.7 s before anybody was proved."""
    read: list[int] = []

    def counted(body: bytes, content_type: str, asked: Asked) -> Any:
        read.append(len(body))
        return read_content(body, content_type, asked.bodies, asked.exact)

    monkeypatch.setattr("dispatchd.receive.judge.read_here", counted)
    form = b"a=" + b"%41" * 3_000_000
    for slug in ("my-slug", "mailgun", "slack"):
        for body, content_type in ((form, FORM), (DENSE, "application/json")):
            headers = {"Content-Type": content_type}
            status, _, _ = await daemon.post(body, slug=slug, secret=None, headers=headers)
            assert status == 401
    assert read == []
    await daemon.post(b'{"meta":{}}', slug="my-slug")
    assert read == [11]


async def test_who_need_not_prove_anything_has_the_process_of_strangers(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auth: none` counted as proven: any stranger's bodies delayed those that are signed."""
    daemon = await start_daemon(
        f"endpoints: {{my-slug: {{auth: none}}, signed: {{secret: {SECRET}}}}}"
    )
    asked: list[tuple[bool, str]] = []
    read = Reader.read

    async def watched(self: Reader, *args: Any, proven: bool, owner: str) -> Any:
        asked.append((proven, owner))
        return await read(self, *args, proven=proven, owner=owner)

    monkeypatch.setattr(Reader, "read", watched)
    await daemon.accepted(DENSE, secret=None)
    await daemon.accepted(DENSE, slug="signed")
    assert asked == [(False, "127.0.0.1"), (True, "signed")]


async def test_a_large_body_is_proven_off_the_loop(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[int, threading.Thread] = {}
    verify = Verifier.verify

    def watched(self: Verifier, sender: Any) -> Any:
        threads[len(sender.body)] = threading.current_thread()
        return verify(self, sender)

    monkeypatch.setattr(Verifier, "verify", watched)
    small, big = b'{"meta":{}}', b'"%b"' % (b"a" * 1_000_000)
    await daemon.accepted(small)
    await daemon.accepted(big)
    assert threads[len(small)] is threading.main_thread()
    assert threads[len(big)] is not threading.main_thread()


async def test_many_large_bodies_keep_no_small_one_waiting(daemon: Daemon) -> None:
    """The large ones, unproven, take turns in their process; the small one needs none."""
    form = b"a=" + b"%41" * 1_000_000
    headers = {"Content-Type": FORM}
    flood = [
        asyncio.create_task(daemon.post(form, slug="mailgun", secret=None, headers=headers))
        for _ in range(4)
    ]
    done: list[str] = []
    for task in flood:
        task.add_done_callback(lambda _: done.append("large"))
    await daemon.accepted(b'{"meta":{}}')
    await daemon.accepted(large(kind="x", id=5, keep=True))
    done.append("proven")
    await asyncio.gather(*flood)
    assert {task.result()[0] for task in flood} <= {401, 503}
    assert signature(form) not in repr(daemon.log.lines)
