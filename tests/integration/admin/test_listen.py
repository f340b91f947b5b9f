"""`dispatchd listen`: a daemon's events on another machine, as they came."""

import asyncio
import re
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from nouns import an_event
from rig import Sink, StartDaemon, always, failing_first
from rig_api import TOKEN, Api
from rig_listen import Listening, listening
from rig_sinks import MakeSink


@pytest.fixture
async def local(sink_factory: MakeSink) -> Sink:
    return await sink_factory()


def from_afar(api: Api, local: Sink) -> tuple[object, ...]:
    return ("my-slug", "--forward", f"{local.url}hooks?a=1", "--url", api.daemon.admin_url)


async def test_events_come_with_their_own_headers_and_bytes(
    api: Api, local: Sink, tmp_path: Path
) -> None:
    body = b'{ "action" : "opened",\n "u":"\\u00e9", "n": 1.0, "w": "\xc3\xa9\xe2\x80\xa8" }'
    headers = {
        "X-GitHub-Event": "issues",
        "X-Own": "a, b",
        "User-Agent": "GitHub-Hookshot/1",
        "Authorization": "Bearer dsp_secret",
        "X-Forwarded-For": "192.0.2.9",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
    }
    async with listening(tmp_path, *from_afar(api, local), token=TOKEN) as one:
        await one.ready()
        event_id = await api.daemon.accepted(body, headers=headers)
        (line,) = await one.lines(1)
        assert re.fullmatch(
            rf"\d\d:\d\d:\d\d\.\d\d\d  issues  62 B  -> 200 in \d+ ms  {event_id}", line
        )
        ((got, got_body),) = local.received
        assert got_body == body
        assert {got[name] for name in ("X-Own", "User-Agent", "X-GitHub-Event")} == {
            "a, b",
            "GitHub-Hookshot/1",
            "issues",
        }
        assert got["Content-Type"] == "application/json"
        assert got["X-Forwarded-For"] == "192.0.2.9"
        assert got["X-Dispatch-Event-ID"] == event_id
        assert got["X-Dispatch-Endpoint"] == "my-slug"
        assert got["X-Dispatch-Event-Type"] == "issues"
        assert not {"Authorization", "X-Dispatch-Signature", "X-Hop"} & set(got)
        await one.stop()
        assert one.err[-1] == "1 event brought"
        assert TOKEN not in str(one.err + one.out)


async def test_bytes_that_are_no_text_and_bodies_that_are_large(
    api: Api, local: Sink, tmp_path: Path
) -> None:
    raw = an_event(body=b"a=\xff\x00%0d%0a", content_type="text/x", headers=(("X-Kept", "é"),))
    large = b'"%s"' % (b"x" * 400_000)
    async with listening(tmp_path, *from_afar(api, local), token=TOKEN) as one:
        await one.ready()
        await api.daemon.store.add_event(raw, [])
        await one.lines(1)
        await api.daemon.accepted(large)
        await one.lines(2)
        assert [body for _, body in local.received] == [raw.body, large]
        assert local.received[0][0]["Content-Type"] == "text/x"
        assert local.received[0][0]["X-Kept"] == "é"


async def test_json_and_answers_that_are_no_success(api: Api, local: Sink, tmp_path: Path) -> None:
    local.answer = failing_first(1)
    async with listening(tmp_path, *from_afar(api, local), "--json", token=TOKEN) as one:
        await one.ready()
        ids = [await api.daemon.accepted(b'{"action": "a", "n": %d}' % n) for n in range(2)]
        first, second = await one.documents(2)
        assert first.pop("latency_ms") > 0
        received = first.pop("received")
        assert received.endswith("Z")
        assert first == {
            "event_id": ids[0],
            "endpoint": "my-slug",
            "event_type": "a",
            "body_bytes": 23,
            "status_code": 500,
            "error": None,
            "message": None,
            "response": "ok",
        }
        assert (second["status_code"], second["event_id"]) == (200, ids[1])
        await one.stop()
        assert one.err[-1] == "2 events brought, 1 of them not answered 2xx"


async def test_a_local_program_that_is_not_there_is_said_line_by_line(
    api: Api, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    where = ("my-slug", "--forward", f"127.0.0.1:{port}", "--url", api.daemon.admin_url)
    async with listening(tmp_path, *where, token=TOKEN) as one:
        await one.ready()
        await api.daemon.accepted(b"{}")
        (line,) = await one.lines(1)
        assert "-> connection_refused in " in line
        assert one.process.returncode is None


async def test_the_next_begins_with_the_next_or_where_it_is_told(
    api: Api, local: Sink, tmp_path: Path
) -> None:
    where = from_afar(api, local)
    async with listening(tmp_path, *where, "--resume", token=TOKEN) as none:
        assert await none.ended() == 2
        assert "no place to --resume from" in str(none.err)
    async with listening(tmp_path, *where, token=TOKEN) as one:
        await one.ready()
        first = await api.daemon.accepted(b'{"n": 1}')
        await one.lines(1)
        await one.stop()
    second = await api.daemon.accepted(b'{"n": 2}')
    async with listening(tmp_path, *where, token=TOKEN) as one:
        await one.ready()
        assert any("--resume goes on there" in line for line in one.err)
        await one.stop()
    async with listening(tmp_path, *where, "--resume", token=TOKEN) as one:
        (line,) = await one.lines(1)
        assert second in line
        await one.stop()
    async with listening(tmp_path, *where, "--since", "1h", token=TOKEN) as one:
        lines = await one.lines(2)
        assert [first in lines[0], second in lines[1]] == [True, True]
        await one.stop()
    third = await api.daemon.accepted(b'{"n": 3}')
    async with listening(tmp_path, *where, "--resume", token=TOKEN) as one:
        (line,) = await one.lines(1)
        assert third in line
        await one.stop()  # not killed as it writes down where it was
    assert len(local.received) == 5
    assert len(list((tmp_path / "state" / "dispatchd" / "listen").iterdir())) == 1


async def test_who_left_before_anything_came_misses_nothing(
    api: Api, local: Sink, tmp_path: Path
) -> None:
    where = from_afar(api, local)
    async with listening(tmp_path, *where, token=TOKEN) as one:
        await one.ready()
        await one.stop()
    ids = [await api.daemon.accepted(b'{"n": %d}' % n) for n in range(2)]
    async with listening(tmp_path, *where, "--resume", token=TOKEN) as one:
        await one.lines(2)
        await one.stop()
    assert local.event_ids() == ids


async def test_a_place_is_one_of_a_daemon_an_endpoint_and_an_address(
    api: Api, local: Sink, tmp_path: Path
) -> None:
    where = from_afar(api, local)
    async with listening(tmp_path, *where, token=TOKEN) as one:
        await one.ready()
        await api.daemon.accepted(b"{}")
        await one.lines(1)
        await one.stop()
    other = ("my-slug", "--forward", local.url, "--url", api.daemon.admin_url, "--resume")
    async with listening(tmp_path, *other, token=TOKEN) as one:
        assert await one.ended() == 2


async def test_many_listen_at_once_and_each_is_told_everything(
    api: Api, sink_factory: MakeSink, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        sinks = [await sink_factory() for _ in range(4)]
        sinks[0].answer = always(500)
        started = [
            await stack.enter_async_context(listening(tmp_path, *from_afar(api, one), token=TOKEN))
            for one in sinks
        ]
        await asyncio.gather(*(one.ready() for one in started))
        ids = [await api.daemon.accepted(b'{"n": %d}' % n) for n in range(20)]
        for one, local in zip(started, sinks, strict=True):
            await one.lines(20)
            assert local.event_ids() == ids


async def test_only_events_of_a_type(api: Api, local: Sink, tmp_path: Path) -> None:
    where = from_afar(api, local)
    async with listening(tmp_path, *where, "--event-type", "b", token=TOKEN) as one:
        await one.ready()
        for word in (b"a", b"b"):
            last = await api.daemon.accepted(b'{"action": "%s"}' % word)
        assert last in (await one.lines(1))[0]
        assert local.event_ids() == [last]


async def test_the_daemon_of_the_config_and_a_token_from_a_file(
    start_daemon: StartDaemon, sink: Sink, local: Sink, tmp_path: Path
) -> None:
    path = tmp_path / "admin.sock"
    api = Api(
        await start_daemon(
            f"""
endpoints: {{my-slug: {{auth: none}}}}
admin: {{listen: 'unix:{path}', token: {TOKEN}}}
"""
        )
    )
    config = tmp_path / "config.yaml"
    own = ("my-slug", "--forward", local.url, "--config", config)
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    by_file = (
        "my-slug",
        "--forward",
        local.url,
        "--url",
        f"unix:{path}",
        "--token-file",
        token_file,
    )
    for args in (own, by_file):
        async with listening(tmp_path, *args) as one:
            await one.ready()
            event_id = await api.daemon.accepted(b"{}", secret=None)
            assert event_id in (await one.lines(1))[0]
            await one.stop()


@pytest.mark.parametrize(
    ("args", "token", "end"),
    [
        (("my-slug",), "wrong", (1, "wants another token: set DISPATCHD_ADMIN_TOKEN")),
        (("my-slug",), None, (1, "wants a token: set DISPATCHD_ADMIN_TOKEN")),
        (("my-slag",), TOKEN, (2, "no endpoint 'my-slag'; did you mean 'my-slug'?")),
        (("my-slug", "--token-file", "nowhere"), None, (1, "cannot read nowhere")),
        (
            ("my-slug", "--token", TOKEN),
            None,
            (2, "No such option '--token'. (Did you mean one of: '--json', '--token-file'?)"),
        ),
        (("my-slug", "--since", "1h", "--resume"), TOKEN, (2, "exclude each other")),
        (("my-slug", "--forward", "ftp://x"), TOKEN, (2, "must begin with http://")),
    ],
)
async def test_what_is_wrong_is_said_once(
    api: Api,
    tmp_path: Path,
    args: tuple[str, ...],
    token: str | None,
    end: tuple[int, str],
) -> None:
    where = ("--url", api.daemon.admin_url, *(() if "--forward" in args else ("--forward", "x:1")))
    async with listening(tmp_path, *args, *where, token=token) as one:
        code, said = end
        assert await one.ended() == code
        assert said in " ".join(one.err)
        assert one.out == []
        assert "--token" in args or TOKEN not in str(one.err)


async def test_a_server_that_is_no_daemon_is_said(api: Api, local: Sink, tmp_path: Path) -> None:
    local.answer = always(200, text="hello")
    where = ("my-slug", "--forward", "x:1", "--url", local.url)
    async with listening(tmp_path, *where, token=TOKEN) as one:
        assert await one.ended() == 1
        assert "is no admin listener of dispatchd" in str(one.err)
    local.answer = always(302, headers={"Location": "http://elsewhere.invalid/"})
    async with listening(tmp_path, *where, token=TOKEN) as one:
        assert await one.ended() == 1
        assert "answered 302" in str(one.err)


async def test_the_warning_of_a_token_in_the_clear(tmp_path: Path) -> None:
    where = ("my-slug", "--forward", "x:1", "--url", "http://192.0.2.1:8081")
    async with listening(tmp_path, *where, token=TOKEN) as one:
        await one.until(lambda it: any("as it is; https://" in line for line in it.err))
        assert isinstance(one, Listening)
