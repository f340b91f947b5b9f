"""The pages of replays: counted, confirmed, followed, cancelled."""

import asyncio
import re
from html import unescape
from typing import Any

import pytest
from patience import HANG_S
from rig import Sink, StartDaemon, always, simple_config
from rig_api import TOKEN, Api
from rig_pages import HTML, page

from dispatchd.admin.dashboard import asking
from dispatchd.upkeep.counting import Count


@pytest.fixture
async def api(start_daemon: StartDaemon, sink: Sink) -> Api:
    """A daemon whose destination fails for good at the first try, until it is told otherwise."""
    sink.answer = always(500)
    yaml = simple_config(sink, ", retry: {max_attempts: 1}")
    return Api(await start_daemon(f"{yaml}\nadmin: {{listen: '127.0.0.1:0', token: {TOKEN}}}\n"))


async def counted(api: Api, query: str) -> str:
    """Return the page that has counted, as a script or a person without one asks for it."""
    return await page(api, f"/jobs/new?{query}&counted=1")


async def fail(api: Api, *bodies: bytes, headers: dict[str, str] | None = None) -> list[str]:
    """Have an event of each body fail for good; return their ids."""
    before = len(api.daemon.log.of("attempt"))
    ids = [await api.daemon.accepted(body, headers=headers) for body in bodies]
    await api.daemon.log.wait_for("attempt", before + len(bodies))
    return ids


def form_of(text: str) -> dict[str, str]:
    """Return what the form that confirms sends."""
    form = re.search(
        r'<form method="post" action="/jobs" class="confirm">.*?</form>', text, re.DOTALL
    )
    assert form is not None, text
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
    return {unescape(name): unescape(value) for name, value in found}


async def confirm(api: Api, text: str, **more: str) -> str:
    """Send the form with the token of the API: that needs no session. Return where it leads."""
    status, body, headers = await api.ask("POST", "/jobs", data={**form_of(text), **more})
    assert status == 303, body
    return str(headers["Location"])


async def followed(api: Api, path: str) -> str:
    """Return a job's page once it has ended."""
    async with asyncio.timeout(HANG_S):
        while "data-again" in (text := await page(api, path)):
            pass
    return text


async def test_what_the_filters_choose_is_counted_confirmed_and_followed(
    api: Api, sink: Sink
) -> None:
    await fail(api, b'{"action": "opened"}', b'{"action": "opened"}', b'{"action": "closed"}')
    text = await page(api, "/events?event_type=opened&since=1h&limit=1")
    (link,) = re.findall(r'href="(/jobs/new[^"]+)"', text)
    assert unescape(link) == "/jobs/new?event_type=opened&since=1h"
    text = await counted(api, unescape(link).partition("?")[2])
    assert "Replay 2 deliveries</button>" in text
    form = form_of(text)
    assert form["statuses"] == "failed"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", form["since"])  # the same for the job
    sink.answer = always(200)
    await fail(api, b'{"action": "opened"}')  # after the count: no part of it
    where = await confirm(api, text, rate=" 1000/s ", as_sent="1")
    assert where == "/jobs/1"
    text = await followed(api, where)
    for told in ("done", "What failed for good", "<b>opened</b>", "at most 1,000/s", "sent last"):
        assert told in text, told
    assert re.search(r'class="big">2 <small>started afresh', text)
    await sink.wait_for(6)
    assert re.search(r'id="j-1".*What failed for good', await page(api, "/jobs"), re.DOTALL)
    assert "Nothing to replay: none of these failed" in await counted(api, "event_type=opened")


async def test_a_search_is_replayed_by_its_events(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await fail(api, b'{"who": "anna"}', b'{"who": "anna", "n": 2}', b'{"who": "bob"}')
    text = await counted(api, "search=anna")
    assert set(form_of(text)["event_ids"].split(" ")) == set(found[:2])
    assert "Replay 2 deliveries</button>" in text
    text = await followed(api, await confirm(api, text))
    assert all(f'href="/events/{one}"' in text for one in found[:2])
    monkeypatch.setattr("dispatchd.admin.dashboard.jobs.IDS_MAX", 1)
    text = await counted(api, "search=anna&delivery=any")
    assert "These are of the newest 1 events" in text
    assert form_of(text)["event_ids"] == found[1]
    assert "Nothing to replay" in await counted(api, "search=nobody")


async def test_a_type_with_a_star_in_it_is_that_type_and_no_glob(api: Api) -> None:
    (starred,) = await fail(api, b"{}", headers={"X-Event-Type": "a*"})
    await fail(api, b"{}", headers={"X-Event-Type": "ab"})
    text = await counted(api, "event_type=a*")
    assert form_of(text)["event_ids"] == starred


async def test_an_endpoint_that_is_in_the_config_no_more_is_replayed_by_its_events(
    api: Api,
) -> None:
    (event,) = await fail(api, b"{}")
    connection = api.daemon.app  # the endpoint's name is the event's, whatever the config says
    parts: Any = connection._admin._wired._listener._parts  # type: ignore[union-attr]
    running = parts.running
    parts.running = type(running)(
        running.spec, running.client_ip, [], running.destinations, running.began_ms
    )
    text = await counted(api, "endpoint=my-slug")
    assert form_of(text)["event_ids"] == event


async def test_where_counting_stopped_early_it_says_at_least(api: Api) -> None:
    await fail(api, b"{}")
    parts: Any = api.daemon.app._admin._wired._listener._parts  # type: ignore[union-attr]
    go = asyncio.Event()

    async def count(_: Any) -> Count:
        await go.wait()
        return Count({"crm": 4321}, complete=False)

    parts.count_replay = count
    text = await page(api, "/jobs/new?since=1h")
    assert 'data-later="/jobs/new?since=1h&amp;counted=1"' in text
    assert 'class="confirm"' not in text  # nothing is confirmed that was not counted
    go.set()
    text = await counted(api, "since=1h")
    assert "<small>at least</small> 4,321" in text
    assert "Replay at least 4,321 deliveries</button>" in text


async def test_what_is_wrong_with_the_filters_is_said(api: Api) -> None:
    for query, told in (
        ("since=yesterday", "is no time"),
        ("delivery=held", "must be one of"),
        ("nothing=x", "there is no such parameter"),
        ("destination=nobody", "there is no such destination"),
        ("status=filtered", "owed to nobody"),
    ):
        text = await page(api, f"/jobs/new?{query}", 400)
        assert 'role="alert"' in text
        assert told in text, query
        assert "confirm" not in text
    assert "Replay these" not in await page(api, "/events?delivery=held")
    for form in (
        {"statuses": "held"},
        {"event_ids": "x"},
        {"rate": "fast", "destination": "crm"},
        {},
        {"destination": "nobody"},
    ):
        status, body, _ = await api.ask("POST", "/jobs", data=form, headers=HTML)
        assert status == 400, form
        assert b"<h1>" in body
    assert (await api.get("/jobs"))["items"] == []


async def test_a_job_is_cancelled_and_asked_for_once_more(api: Api) -> None:
    await fail(api, *[b'{"action": "opened"}'] * 3)
    text = await counted(api, "destination=crm&event_type=opened&since=1h")
    where = await confirm(api, text, rate="1/h")
    assert 'action="/jobs/1/cancel"' in await page(api, where)
    assert 'action="/jobs/1/cancel"' in await page(api, "/jobs")
    for _ in range(2):  # the second time it has ended: its page says so
        status, _, headers = await api.ask("POST", f"{where}/cancel", data={})
        assert (status, headers["Location"]) == (303, where)
    text = await page(api, where)
    assert "cancelled" in text
    assert "data-again" not in text
    assert "/cancel" not in text
    (again,) = re.findall(r'href="(/jobs/new\?[^"]+)"', text)
    query = unescape(again).partition("?")[2]
    assert "destination=crm" in query
    assert "delivery=failed" in query
    assert form_of(await counted(api, query))["event_type"] == "opened"
    (events,) = re.findall(r'href="(/events\?[^"]+)"', text)
    assert "opened" in await page(api, unescape(events))


async def test_a_job_that_the_api_began_is_told_whole(api: Api) -> None:
    (event,) = await fail(api, b'{"action": "opened"}')
    hostile = '"<script>" in [body.action]'
    await api.post("/jobs", {"filter": hostile, "event_type": "<b>*", "until": "1h"}, 201)
    await api.post("/jobs", {"event_ids": [event], "statuses": ["queued", "retrying"]}, 201)
    text = await followed(api, "/jobs/1")
    assert "<b>&lt;b&gt;*</b>" in text
    assert "&#34;&lt;script&gt;&#34; in" in text
    assert "that its filter lets through" in text
    assert "Once more" not in text  # filters in a URL cannot say it
    text = await followed(api, "/jobs/2")
    assert "What is queued or is being retried of one event" in re.sub(r"\s+", " ", text)
    assert f'href="/events/{event}"' in text


async def test_no_job_and_none_such(api: Api) -> None:
    text = await page(api, "/jobs")
    assert "No replay yet" in text
    assert 'href="/jobs/new"' in text
    for path in ("/jobs/1", "/jobs/x", "/jobs/99999999999999999999999", "/jobs/%3Cb%3E"):
        assert "404" in await page(api, path, 404)
    assert asking.new_url({}) == "/jobs/new"
