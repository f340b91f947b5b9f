"""The live stream: what it tells whom, from where on, and how it ends."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from patience import HANG_S
from rig import FakeClock, Sink, StartDaemon, always, failing_first, simple_config
from rig_api import TOKEN, Api, StartApi
from rig_stream import followed

from dispatchd.admin.stream import feed as feeds
from dispatchd.admin.stream.follower import HEARTBEAT_S
from dispatchd.shapes.event import event_fields
from dispatchd.store.following import NO_EVENT

TWO = (
    "  other: {auth: none, event_type_path: type, filter: {body.keep: true}, destinations: [crm]}\n"
)


def body(n: int) -> bytes:
    return b'{"action": "opened", "n": %d}' % n


async def test_an_event_is_told_as_it_is_kept_in_the_shape_of_a_listing(api: Api) -> None:
    async with followed(api) as stream:
        assert stream.raw == b"retry: 2000\nid: %s\n\n" % NO_EVENT.encode()
        event_id = await api.daemon.accepted(body(1))
        (told,) = await stream.until(1)
        assert stream.last_id == event_id
        assert told.pop("kind") == "event"
        (listed,) = (await api.get("/events"))["items"]
        for fields in (told, listed):  # how its delivery stands moves on
            del fields["deliveries"], fields["destinations"]
        assert told == listed
        assert stream.response.headers["Cache-Control"] == "no-store"
        assert stream.response.headers["X-Accel-Buffering"] == "no"


async def test_nothing_of_before_is_told_unless_it_is_asked_for(api: Api) -> None:
    first = await api.daemon.accepted(body(1))
    async with followed(api) as stream:
        assert stream.last_id == first
        second = await api.daemon.accepted(body(2))
        await stream.until(1)
        assert stream.ids() == [second]
    for query in ({"since": "1h"}, {"since": "1970-01-01T00:00:00Z"}, {"after": NO_EVENT}):
        async with followed(api, **query) as stream:
            await stream.until(2)
            assert stream.ids() == [first, second]
    for query in ({"after": first}, {"after": first, "since": "1h"}):
        async with followed(api, **query) as stream:
            await stream.until(1)
            assert stream.ids() == [second]
    # A browser that comes back asks for the same URL, and says where it was.
    async with followed(api, second, since="1h", after=first) as stream:
        third = await api.daemon.accepted(body(3))
        await stream.until(1)
        assert stream.ids() == [third]


async def test_attempts_are_told_where_asked_for_after_their_event(api: Api, sink: Sink) -> None:
    sink.answer = failing_first(1)
    async with followed(api) as without, followed(api, attempts="true") as stream:
        event_id = await api.daemon.accepted(body(1))
        await stream.until(2, "attempt")
        kinds = [block.name for block in stream.blocks if block.data is not None]
        assert kinds == ["event", "attempt", "attempt"]
        first, second = stream.told("attempt")
        assert (first["delivery"], second["delivery"]) == ("retrying", "success")
        assert first["due"] is not None
        assert second["due"] is None
        story = await api.get(f"/events/{event_id}")
        assert [one["attempt"] for one in (first, second)] == story["deliveries"][0]["attempts"]
        assert {first["event_id"], first["endpoint"], first["destination"]} == {
            event_id,
            "my-slug",
            "crm",
        }
        await api.daemon.accepted(body(2))
        await without.until(2)
        assert without.told("attempt") == []


async def test_whole_events_have_headers_and_bytes_and_nothing_that_proves(api: Api) -> None:
    text, large = '"\\r\\n\u2028 id: x"'.encode(), b'"%s"' % (b"x" * 300_000)
    async with followed(api, whole="true") as stream, followed(api) as brief:
        sent = {"X-Own": "a, b", "Authorization": "Bearer dsp_secret"}
        small = await api.daemon.accepted(text, headers=sent)
        await api.daemon.accepted(large, headers=sent)
        first, second = await stream.until(2)
        stored = (await api.daemon.story(small)).event
        assert first == {**first, **json.loads(json.dumps(event_fields(stored)))}
        assert first["body"].encode() == stored.body
        assert ["X-Own", "a, b"] in first["headers"]
        assert "dsp_secret" not in str(stream.raw)
        assert "sha256=" not in str(stream.raw)
        assert "headers" not in second  # too large: it is there to be fetched
        assert second["body_bytes"] == len(large)
        await brief.until(2)
        assert all("body" not in told and "headers" not in told for told in brief.told())
    # And those that come from the store are spelled as those that came live.
    async with followed(api, after=NO_EVENT, whole="true") as later:
        again = await later.until(2)
        for told, live in zip(again, (first, second), strict=True):
            for fields in (told, live):
                del fields["deliveries"], fields["destinations"]
            assert told == live


FILTERS = (
    {"endpoint": "other"},
    {"event_type": "opened"},
    {"status": "filtered"},
    {"destination": "crm"},
    {"destination": "nowhere"},
    {"search": "needle"},
    {"endpoint": "other", "status": "received"},
)


async def test_each_filter_lets_through_the_same_live_and_later(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    yaml = simple_config(sink).replace("destinations:\n  crm", TWO + "destinations:\n  crm")
    assert "other:" in yaml
    daemon = await start_daemon(f"{yaml}\nadmin: {{listen: '127.0.0.1:0', token: {TOKEN}}}\n")
    api = Api(daemon)
    async with AsyncExitStack() as stack:
        live = [await stack.enter_async_context(followed(api, **query)) for query in FILTERS]
        for n in range(4):
            await daemon.accepted(body(n))
            for other in ('"keep": true', '"keep": false', '"type": "needle", "keep": true'):
                sent = b'{%s, "n": %d}' % (other.encode(), n)
                await daemon.accepted(sent, slug="other", secret=None)
        last = (await daemon.store.newest_place()).event_id
        for query, stream in zip(FILTERS, live, strict=True):
            async with followed(api, after=NO_EVENT, **query) as later:
                expected = [
                    one["event_id"] for one in (await api.get("/events", **query))["items"]
                ][::-1]
                await later.until(len(expected))
                await stream.until(len(expected))
                assert later.ids() == stream.ids() == expected, query
        async with followed(api) as stream:
            assert stream.last_id == last


async def test_a_heartbeat_says_that_it_lives_and_how_far_it_is(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    async with followed(api) as all_, followed(api, event_type="never") as none:
        event_id = await api.daemon.accepted(body(1))
        await all_.until(1)
        reading = [asyncio.create_task(one.read()) for one in (all_, none)]
        await api.daemon.pass_until(
            clock, lambda: all(task.done() for task in reading), HEARTBEAT_S
        )
        assert all_.raw.endswith(b"\n\n: alive\n\n")
        await none.until_passed(event_id)
        assert none.told() == []


async def test_what_cannot_be_read_is_a_400_and_a_head_is_none(api: Api) -> None:
    for query, headers, name in (
        ({"after": "x"}, {}, "after"),
        ({"since": "x"}, {}, "since"),
        ({"status": "x"}, {}, "status"),
        ({"delivery": "x"}, {}, "delivery"),
        ({"whole": "1"}, {}, "whole"),
        ({"nothing": "1"}, {}, "nothing"),
        ({}, {"Last-Event-ID": "\u00e9"}, "Last-Event-ID"),
    ):
        status, problem, _ = await api.ask("GET", "/api/v1/stream", params=query, headers=headers)
        assert status == 400
        assert [error["name"] for error in problem["errors"]] == [name]
    auth = {"Authorization": f"Bearer {TOKEN}"}
    async with api.daemon.http.head(
        f"{api.daemon.admin_url}/api/v1/stream", headers=auth
    ) as response:
        assert response.status == 405
    assert (await api.ask("POST", "/api/v1/stream"))[0] == 405
    for token in (None, "wrong"):
        assert (await Api(api.daemon, token).ask("GET", "/api/v1/stream"))[0] == 401


async def test_one_more_than_may_follow_is_told_to_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "FOLLOWERS_MAX", 2)
    async with followed(api), followed(api):
        status, problem, headers = await api.ask("GET", "/api/v1/stream")
        assert (status, problem["code"]) == (503, "too_many_followers")
        assert headers["Retry-After"] == "10"
    await api.daemon.log.wait_for("follower_left", count=2, reason="gone")
    async with followed(api) as stream:
        await api.daemon.accepted(body(1))
        await stream.until(1)


async def test_nothing_is_kept_in_memory_once_nobody_follows(api: Api) -> None:
    feed = api.daemon.app._admin._wired._listener._parts.feed  # type: ignore[union-attr]
    watch = feed._watch
    await api.daemon.accepted(body(1))
    assert (watch.followed, feed.ring.start, feed.followers) == (False, None, 0)
    async with followed(api, attempts="true", whole="true") as stream:
        await api.daemon.accepted(body(2))
        await stream.until(1, "attempt")
        assert list(feed.ring.after(0))
    await api.daemon.log.wait_for("follower_left")
    assert (watch.followed, feed.ring.start, feed.followers) == (False, None, 0)
    assert list(feed.ring.after(0)) == []
    await api.daemon.accepted(body(3))
    assert watch.take() == ([], False)


async def test_what_another_process_keeps_is_told_too(api: Api) -> None:
    """An alert's event, a command's: no fact tells of it."""
    async with followed(api) as stream:
        event = (await api.daemon.story(await api.daemon.accepted(body(1)))).event
        await stream.until(1)
        other = type(event)(
            **{name: getattr(event, name) for name in event.__slots__}
            | {"id": "ffffffff-ffff-7fff-bfff-ffffffffffff"}
        )
        await api.daemon.store.add_event(other, [])
        await stream.until(2)
        assert stream.ids()[1] == other.id


async def test_a_stream_lives_on_over_a_reload_and_ends_with_its_token(
    api: Api, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    async with followed(api) as stream:
        path.write_text(path.read_text().replace("event_type_path: action", "event_type_path: n"))
        await api.post("/reload")
        await api.daemon.accepted(body(7))
        (told,) = await stream.until(1)
        assert told["event_type"] == "7"
        path.write_text(path.read_text().replace(TOKEN, TOKEN + "-2"))
        await api.post("/reload")
        await stream.to_the_end()
    await api.daemon.log.wait_for("follower_left", reason="not_let_in")
    assert (await api.ask("GET", "/api/v1/stream"))[0] == 401


async def test_a_browser_follows_by_its_session_until_it_logs_out(api: Api) -> None:
    async with api.daemon.http.post(
        f"{api.daemon.admin_url}/login", data={"token": TOKEN}, allow_redirects=False
    ) as response:
        cookie = response.cookies["dispatchd_session"].value
    browser = {"Cookie": f"dispatchd_session={cookie}"}
    async with followed(api, headers=browser) as stream:
        await api.daemon.accepted(body(1))
        await stream.until(1)
        csrf = (await Api(api.daemon, None).ask("GET", "/api/v1/session", headers=browser))[1]
        await Api(api.daemon, None).ask(
            "POST", "/logout", headers=browser | {"X-CSRF-Token": csrf["csrf_token"]}
        )
        await stream.to_the_end()
    await api.daemon.log.wait_for("follower_left", reason="not_let_in")


async def test_streams_end_when_the_daemon_stops(api: Api, start_daemon: StartDaemon) -> None:
    async with aiohttp.ClientSession() as session, followed(api, session=session) as stream:
        event_id = await api.daemon.accepted(body(1))
        await stream.until(1)
        async with asyncio.timeout(HANG_S):
            await start_daemon.stop(api.daemon)  # type: ignore[attr-defined]
            await stream.to_the_end()
        assert stream.last_id == event_id
    assert api.daemon.log.of("follower_left", reason="stopping")
    assert not api.daemon.log.of("internal_error")


async def test_a_delivery_that_goes_wrong_is_told_of_by_its_attempts(api: Api, sink: Sink) -> None:
    sink.answer = always(500)
    async with followed(api, attempts="true", delivery="retrying") as stream:
        event_id = await api.daemon.accepted(body(1))
        (told,) = await stream.until(1, "attempt")
        assert (told["event_id"], told["delivery"]) == (event_id, "retrying")
