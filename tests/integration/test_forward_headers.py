"""A sender's own headers on the way to a destination, and where its proof must never be."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import sys
from pathlib import Path

import pytest
from aiohttp import web
from rig import Daemon, FakeClock, Sink, StartDaemon, failing_first

from dispatchd.model import DeliveryStatus
from dispatchd.verify import signing_secret_text

SECRET = "shared-secret"
TOKEN = "glpat-0123456789abcdef"
BODY = b'{"action":"opened"}'


def proof(body: bytes = BODY) -> str:
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def github(**headers: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": proof(), "X-GitHub-Event": "issues", **headers}


CONFIG = """
endpoints:
  my-slug:
    provider: github
    secret: shared-secret
    destinations: [{links}]
destinations:
  crm: {{url: '{url}', forward_headers: ["X-GitHub-*", X-Hub-Signature-256]}}
  wide: {{url: '{url}wide', forward_headers: ["*"]}}
  plain: {{url: '{url}plain'}}
"""


def kept(tmp_path: Path) -> list[list[list[str]] | None]:
    connection = sqlite3.connect(tmp_path / "dispatchd.db")
    rows = connection.execute("SELECT forward_headers FROM events ORDER BY seq").fetchall()
    connection.close()
    return [None if value is None else json.loads(value) for (value,) in rows]


async def test_each_destination_gets_what_it_names(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    daemon = await start_daemon(CONFIG.format(links="crm, wide, plain", url=sink.url))
    await daemon.accepted(BODY, secret=None, headers=github())
    await sink.wait_for(3)
    got = {
        "X-Hub-Signature-256" in headers: headers
        for headers, _ in sink.received
        if "X-GitHub-Event" in headers
    }
    assert got[True]["X-Hub-Signature-256"] == proof()
    assert got[True]["X-GitHub-Event"] == got[False]["X-GitHub-Event"] == "issues"
    assert sum("X-GitHub-Event" not in headers for headers, _ in sink.received) == 1
    assert kept(tmp_path) == [[["X-Hub-Signature-256", proof()]]]


async def test_a_proof_is_kept_only_for_a_link_that_takes_the_event(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    links = "wide, {to: crm, event_types: [push]}"
    daemon = await start_daemon(CONFIG.format(links=links, url=sink.url))
    await daemon.accepted(BODY, secret=None, headers=github())
    await daemon.accepted(
        BODY, secret=None, headers=github(**{"X-GitHub-Event": "push", "X-GitHub-Delivery": "2"})
    )
    assert kept(tmp_path) == [None, [["X-Hub-Signature-256", proof()]]]


async def test_a_retry_sends_the_same_headers_from_the_disk(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    sink.answer = failing_first(1)
    clock = FakeClock()
    config = CONFIG.format(links="crm", url=sink.url)
    secret = signing_secret_text(b"k" * 32)
    config = config.replace("{url", f"{{signing_secret: {secret}, url")
    daemon = await start_daemon(config, clock=clock)
    await daemon.accepted(BODY, secret=None, headers=github())
    await daemon.log.wait_for("attempt")
    clock.advance(60)
    await sink.wait_for(2)
    (first, _), (second, _) = sink.received
    for name in ("X-Hub-Signature-256", "X-GitHub-Event", "webhook-id"):
        assert first[name] == second[name]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 60
    assert first["webhook-signature"] != second["webhook-signature"]


async def test_bytes_that_are_no_text_stop_no_delivery(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(f"""
    endpoints: {{my-slug: {{auth: none, destinations: [crm]}}}}
    destinations: {{crm: {{url: '{sink.url}', forward_headers: ["X-*", X-Api-Key]}}}}
    """)
    host, port = daemon.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /hooks/my-slug HTTP/1.1\r\nHost: x\r\nX-Name: caf\xe9\r\nX-Utf: Zo\xc3\xab\r\n"
        b"X-Api-Key: \xff\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert b" 202 " in await reader.readline()
    writer.close()
    await sink.wait_for(1)
    headers, _ = sink.received[0]
    assert (headers["X-Name"], headers["X-Api-Key"]) == ("caf?", "?")
    assert headers["X-Utf"] == "Zoë"


async def test_a_proof_stands_nowhere_but_in_its_column(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    """Not in another column, though the destination echoes it; not in the log; not in a command."""

    async def echo(request: web.Request, _: int) -> web.Response:
        echoed = {f"X-Echo-{n}": v for n, v in request.headers.items() if n.startswith("X-G")}
        return web.Response(status=400, text=str(dict(request.headers)), headers=echoed)

    sink.answer = echo
    daemon = await start_daemon(f"""
    endpoints:
      my-slug: {{provider: gitlab, secret: {TOKEN}, destinations: [crm]}}
    destinations:
      crm: {{url: '{sink.url}', forward_headers: ["X-Gitlab-*", x-gitlab-token]}}
    """)
    headers = {"X-Gitlab-Token": TOKEN, "X-Gitlab-Event": "Push Hook"}
    event_id = await daemon.accepted(BODY, secret=None, headers=headers)
    await daemon.log.wait_for("attempt")
    assert sink.received[0][0]["X-Gitlab-Token"] == TOKEN
    connection = sqlite3.connect(tmp_path / "dispatchd.db")
    rows = connection.execute("SELECT * FROM events").fetchall()
    columns = [row[1] for row in connection.execute("PRAGMA table_info(events)")]
    [event] = [dict(zip(columns, row, strict=True)) for row in rows]
    assert json.loads(event.pop("forward_headers")) == [["X-Gitlab-Token", TOKEN]]
    shown = [repr(event)]
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    shown += [
        repr(connection.execute(f"SELECT * FROM {table}").fetchall())
        for (table,) in tables
        if table != "events"
    ]
    connection.close()
    assert any("***" in text for text in shown)  # it was echoed
    shown.append(repr(daemon.log.lines))
    story = await daemon.story(event_id)
    assert story.event.forward_headers == (("X-Gitlab-Token", TOKEN),)
    shown.append(repr(story))
    for args in (
        ["show", event_id], ["show", event_id, "--json"], ["events"], ["events", "--json"],
        ["explain", event_id], ["explain", event_id, "--json"], ["stats", "--json"], ["check"],
    ):  # fmt: skip
        shown.append(await ran(tmp_path, *args))
    for text in shown:
        assert TOKEN not in text
    assert "X-Gitlab-Token" in shown[-3]  # its name may be told
    assert await replay_sends_it(daemon, sink, tmp_path, event_id)


async def replay_sends_it(daemon: Daemon, sink: Sink, tmp_path: Path, event_id: str) -> bool:
    sink.answer = None
    await ran(tmp_path, "replay", event_id)
    await daemon.log.wait_for("attempt", status_code=200)
    story = await daemon.story(event_id)
    assert story.deliveries[0].status is DeliveryStatus.SUCCESS
    return sink.received[-1][0]["X-Gitlab-Token"] == TOKEN


async def ran(tmp_path: Path, *args: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dispatchd", *args, "--config", str(tmp_path / "config.yaml"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    return out.decode()


@pytest.mark.parametrize("size", [100, 300_000])
async def test_a_body_of_any_size_is_signed_as_it_is_sent(
    start_daemon: StartDaemon, sink: Sink, size: int
) -> None:
    """A large one is signed beside the loop."""
    daemon = await start_daemon(f"""
    endpoints: {{my-slug: {{auth: none, destinations: [crm]}}}}
    destinations: {{crm: {{url: '{sink.url}', signing: hub, signing_secret: {SECRET}}}}}
    """)
    body = b'"%s"' % (b"x" * size)
    await daemon.accepted(body, secret=None)
    await sink.wait_for(1)
    headers, received = sink.received[0]
    assert received == body
    assert headers["X-Hub-Signature-256"] == proof(body)


async def test_a_transform_sees_type_headers_and_endpoint(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    """What proves the sender it does not see, though the destination is sent it."""
    transform = (
        '{"did": action, "type": $event_type, "slug": $endpoint, "as": $headers.`X-GitHub-Event`,'
        ' "low": $headers.`x-github-event`, "proof": $headers.`x-hub-signature-256`}'
    )
    daemon = await start_daemon(f"""
    endpoints:
      my-slug:
        provider: github
        secret: {SECRET}
        destinations: [{{to: crm, transform: '{transform}', on_transform_error: fail}}]
    destinations:
      crm: {{url: '{sink.url}', forward_headers: X-Hub-Signature-256}}
    """)
    await daemon.accepted(BODY, secret=None, headers=github())
    await sink.wait_for(1)
    headers, body = sink.received[0]
    assert json.loads(body) == {
        "did": "opened", "type": "issues", "slug": "my-slug", "as": "issues", "low": "issues",
    }  # fmt: skip
    assert headers["X-Hub-Signature-256"] == proof()
