"""The dashboard without a browser: what pages say, what they cost, and who may do what on them."""

import asyncio
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from patience import HANG_S
from rig import BODY, SECRET, FakeClock, Sink, always, signature
from rig_api import TOKEN, Api, StartApi
from rig_pages import HTML, PAGE_MAX_BYTES, page, weight

from dispatchd.admin.dashboard import ticks

PAGES = (
    "/",
    "/?span=day",
    "/?span=week",
    "/events",
    "/destinations",
    "/destinations/crm",
    "/endpoints",
    "/endpoints/my-slug",
    "/endpoints/-",
    "/jobs",
    "/jobs/new",
    "/config",
)


async def session_of(api: Api) -> tuple[dict[str, str], str]:
    """Log in; return the header with the cookie, and the token of the session's forms."""
    stranger = Api(api.daemon, None)
    _, _, headers = await stranger.ask("POST", "/login", data={"token": TOKEN})
    cookie = {"Cookie": headers["Set-Cookie"].partition(";")[0]}
    api.daemon.http.cookie_jar.clear()
    _, told, _ = await stranger.ask("GET", "/api/v1/session", headers=cookie)
    return cookie, told["csrf_token"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_without_a_script_and_light(api: Api, path: str) -> None:
    for _ in range(60):
        await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt", 60)
    await api.daemon.post(BODY, secret="wrong")
    text = await page(api, path)
    assert await weight(api, text) <= PAGE_MAX_BYTES
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", text)
    assert len(re.findall("<script", text)) == 1
    assert re.search(r'<script src="/static/dashboard\.[0-9a-f]{12}\.js" defer></script>', text)
    assert SECRET not in text


@pytest.mark.parametrize("body", ['"' * 60_000, "<" * 500_000, ",".join(["'&'"] * 9000)])
async def test_whatever_strangers_write_a_page_stays_light(api: Api, sink: Sink, body: str) -> None:
    sink.answer = always(500, text='"<&>"' * 500, headers={f"X-{n}": '"' * 300 for n in range(40)})
    headers = {f"X-Long-{n}": '"' * 700 for n in range(60)} | {"X-Event-Type": "'" * 255}
    sent = json.dumps({"text": body, "list": [body[:20]] * 2000}).encode()
    events = [await api.daemon.accepted(sent, headers=headers) for _ in range(8)]
    small = json.dumps([{"<": '"' * 20} for _ in range(1500)]).encode()
    events += [await api.daemon.accepted(small, headers=headers) for _ in range(42)]
    await api.daemon.log.wait_for("attempt", 50)
    for _ in range(20):
        await api.daemon.post(sent, secret="wrong", headers=headers)
    for path in (
        f"/events/{events[0]}?judgement=1",
        f"/events/{events[-1]}?judgement=1",
        "/events",
        "/",
        "/endpoints/my-slug",
        "/destinations/crm",
    ):
        text = await page(api, path)
        assert await weight(api, text) <= PAGE_MAX_BYTES, path


async def test_a_newcomer_is_told_what_to_do_next(api: Api) -> None:
    assert "dispatchd send my-slug" in await page(api, "/")
    assert "dispatchd send my-slug" in await page(api, "/events")
    assert "None are kept" in await page(api, "/endpoints/my-slug")


async def test_an_event_tells_its_story(api: Api, sink: Sink) -> None:
    sink.answer = always(500, text="<b>no</b>", headers={"X-Why": "it is <late>"})
    event = await api.daemon.accepted(BODY, headers={"X-Who": "<i>me</i>"})
    await api.daemon.log.wait_for("attempt")
    text = await page(api, f"/events/{event}?judgement=1")
    for told in (
        "500 http error",
        "&lt;b&gt;no&lt;/b&gt;",
        "it is &lt;late&gt;",
        "&lt;i&gt;me&lt;/i&gt;",
        "<i>1.0</i>",  # a number as it was spelled
        "curl -X POST",
        "Next try",
        "opened (from path action)",
    ):
        assert told in text, told
    assert "X-Dispatch-Signature" not in text
    assert signature(BODY) not in text


async def test_a_replay_is_followed_by_the_page_that_asked_for_it(api: Api) -> None:
    event = await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt")
    cookie, csrf = await session_of(api)
    _, _, headers = await Api(api.daemon, None).ask(
        "POST", f"/events/{event}/replay", data={"csrf_token": csrf}, headers=cookie
    )
    there = headers["Location"]
    text = await page(api, there)  # asked again by what it says it is, it tells of it still
    assert f'data-url="{there}"' in text
    await api.daemon.log.wait_for("attempt", 2)
    async with asyncio.timeout(HANG_S):
        while "1 of 1 started afresh" not in (text := await page(api, there)):
            await api.daemon.store.ping()
        while "data-again" in text:  # until it has ended
            text = await page(api, there)


async def test_a_judgement_that_takes_its_time_is_asked_for_once_more(api: Api) -> None:
    event = await api.daemon.accepted(BODY)
    parts: Any = api.daemon.app._admin._wired._listener._parts  # type: ignore[union-attr]
    explain, go = parts.explain, asyncio.Event()

    async def slow(*asked: Any) -> Any:
        await go.wait()
        return await explain(*asked)

    parts.explain = slow
    text = await page(api, f"/events/{event}")
    assert f'data-later="/events/{event}?judgement=1"' in text
    assert "crm" in text  # the rest is there
    asking = asyncio.create_task(page(api, f"/events/{event}?judgement=1"))
    go.set()
    assert "opened (from path action)" in await asking


async def test_the_list_keeps_to_its_filters_and_says_what_is_wrong_with_them(api: Api) -> None:
    first = await api.daemon.accepted(b'{"action": "opened", "who": "needle"}')
    second = await api.daemon.accepted(b'{"action": "closed"}')
    for query, wanted in (
        ({}, {first, second}),
        ({"search": "needle"}, {first}),
        ({"event_type": "closed"}, {second}),
        ({"search": "", "endpoint": "my-slug", "since": "1h"}, {first, second}),
        ({"destination": "nobody"}, set()),
        ({"limit": "1"}, {second}),
        ({"limit": "1", "before": second}, {first}),
    ):
        text = await page(api, "/events", params=query)
        assert set(re.findall(r'id="e-([^"]+)"', text)) == wanted, query
    for query in ({"since": "yesterday"}, {"delivery": "lost"}, {"nothing": "x"}):
        text = await page(api, "/events", 400, params=query)
        assert 'role="alert"' in text


async def test_what_is_not_there_is_said_as_a_page(api: Api) -> None:
    missing = "00000000-0000-7000-8000-000000000000"
    for path in (f"/events/{missing}", "/events/x", "/destinations/x", "/endpoints/x", "/x"):
        assert "404" in await page(api, path, 404)
        status, problem, _ = await api.ask("GET", path)  # a script is told as scripts are
        assert (status, problem["code"]) == (404, "not_found")
    status, _, headers = await api.ask("GET", "/static/dashboard.css", headers=HTML)
    assert (status, headers["Cache-Control"]) == (404, "no-store")


async def test_forms_want_the_sessions_token(api: Api, sink: Sink) -> None:
    cookie, csrf = await session_of(api)
    browser = Api(api.daemon, None)
    event = await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt")
    forms = {
        "/destinations/crm/pause": {"reason": "noon"},
        "/destinations/crm/resume": {},
        "/destinations/crm/test": {},
        "/jobs": {"destination": "crm", "statuses": "failed"},
        "/jobs/1/cancel": {},
        f"/events/{event}/replay": {},
        "/config/reload": {},
        "/logout": {},
    }
    for path, fields in forms.items():
        for token in ({}, {"csrf_token": "wrong"}):
            status, body, _ = await browser.ask(
                "POST", path, data={**fields, **token}, headers={**cookie, **HTML}
            )
            assert status == 403, path
            assert b"Go back, load that page again" in body
    assert len(sink.received) == 1
    for path, fields in forms.items():
        form = {**fields, "csrf_token": csrf}
        status, _, headers = await browser.ask("POST", path, data=form, headers=cookie)
        assert status in (200, 303), path
        assert headers.get("Location", "/").startswith("/")
    status, _, headers = await browser.ask("GET", "/events", headers={**cookie, **HTML})
    assert (status, headers["Location"]) == (303, "/login")


async def test_a_reason_that_is_too_long_is_no_pause(api: Api) -> None:
    cookie, csrf = await session_of(api)
    form = {"reason": "w" * 201, "csrf_token": csrf}
    path = "/destinations/crm/pause"
    status, body, _ = await Api(api.daemon, None).ask(
        "POST", path, data=form, headers={**cookie, **HTML}
    )
    assert status == 400
    assert b"has more than 200 characters" in body
    assert (await api.get("/destinations/crm"))["state"] == "open"


async def test_a_refused_request_is_looked_into(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    await api.daemon.post(BODY, secret="wrong")
    async with api.daemon.http.post(f"{api.daemon.url}/hooks/no%3Cb%3E", data=b"") as response:
        assert response.status == 404
    for path, told in (
        ("/endpoints/my-slug", "401 invalid signature"),
        ("/endpoints/-", "no&lt;b&gt;"),
    ):
        async with asyncio.timeout(HANG_S):  # they are kept at leisure
            while told not in await page(api, path):
                clock.advance(1)
                await api.daemon.store.ping()


async def test_ticks_come_with_what_happens(api: Api) -> None:
    async with api.daemon.http.get(
        f"{api.daemon.admin_url}/live", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as stream:
        assert stream.content_type == "text/event-stream"
        async with asyncio.timeout(HANG_S):
            assert await stream.content.readuntil(b"\n\n") == b"retry: 3000\n\n"
            await api.daemon.accepted(BODY)
            assert (await stream.content.readuntil(b"\n\n")).startswith(b"data: ")


async def test_what_happened_before_the_stream_began_is_told_too(api: Api) -> None:
    text = await page(api, "/events")
    (live,) = re.findall(r'data-live="([^"]+)"', text)
    await api.daemon.accepted(BODY)
    auth = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        asyncio.timeout(HANG_S),
        api.daemon.http.get(f"{api.daemon.admin_url}{live}", headers=auth) as stream,
    ):
        assert await stream.content.readuntil(b"\n\n") == b"retry: 3000\n\n"
        assert (await stream.content.readuntil(b"\n\n")).startswith(b"data: ")


async def test_so_many_pages_are_told_and_no_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "LISTENERS_MAX", 1)
    url = f"{api.daemon.admin_url}/live"
    auth = {"Authorization": f"Bearer {TOKEN}"}
    async with api.daemon.http.get(url, headers=auth) as first:
        assert first.status == 200
        status, problem, _ = await api.ask("GET", "/live")
        assert (status, problem["code"]) == (503, "too_many_listeners")
    assert (await Api(api.daemon, None).ask("GET", "/live"))[0] == 401


async def test_open_streams_hold_up_no_stop(
    start_api: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatchd.listener.REQUESTS_DRAIN_S", 1000.0)
    api = await start_api()
    auth = {"Authorization": f"Bearer {TOKEN}"}
    async with api.daemon.http.get(f"{api.daemon.admin_url}/live", headers=auth) as stream:
        async with asyncio.timeout(HANG_S):
            await api.daemon.app._admin.close()
            while await stream.content.readany():
                pass


async def test_without_a_token_there_is_no_door_to_pass(start_api: StartApi) -> None:
    api = await start_api(admin="{listen: '127.0.0.1:0'}")
    browser = Api(api.daemon, None)
    assert "Sign out" not in await page(browser, "/")
    status, _, headers = await browser.ask("GET", "/login", headers=HTML)
    assert (status, headers["Location"]) == (303, "/")
    form = {"reason": "noon"}
    for token in ({}, {"csrf_token": "wrong"}):
        status, _, _ = await browser.ask("POST", "/destinations/crm/pause", data={**form, **token})
        assert status == 403
    (token,) = set(re.findall(r'name="csrf_token" value="([^"]+)"', await page(browser, "/config")))
    form["csrf_token"] = token
    status, _, _ = await browser.ask("POST", "/destinations/crm/pause", data=form)
    assert status == 303
    assert "Paused by hand: noon" in await page(browser, "/destinations/crm")
    for origin in ("https://evil.example", "null"):
        status, _, _ = await browser.ask(
            "POST", "/destinations/crm/resume", data=form, headers={"Origin": origin}
        )
        assert status == 403


async def test_the_destination_of_another_config_is_told_of(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    await api.daemon.store.open_lanes(["old"])
    await api.daemon.store.open_lanes(["crm"], clock.now_ms())
    text = await page(api, "/destinations/old")
    assert "It is not in the config" in text
    assert "Send a test" not in text


def test_templates_are_imported_with_the_first_page_and_not_before() -> None:
    code = (
        "import sys; import dispatchd.app; assert 'dispatchd.admin.listener' not in sys.modules;"
        " import dispatchd.admin.listener; assert 'jinja2' not in sys.modules;"
        " assert 'dispatchd.hints' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG_S)
