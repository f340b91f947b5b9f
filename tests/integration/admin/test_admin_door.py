"""Who gets in at the admin listener, and how nobody else does."""

import re

import aiohttp
import pytest
from rig import BODY, FakeClock
from rig_api import TOKEN, Api, StartApi

from dispatchd.admin.login import FIRST

STRICT = {
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/nothing", "/", "/api/v1/openapi.json"])
async def test_without_the_token_nothing_is_told(api: Api, path: str) -> None:
    for token in (None, "wrong", TOKEN + "x", "é"):
        asked = Api(api.daemon, token)
        status, problem, headers = await asked.ask("GET", path)
        assert (status, problem["code"]) == (401, "unauthenticated"), token
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert headers["Content-Type"] == "application/problem+json"
    assert TOKEN not in str(api.daemon.log.lines)


@pytest.mark.parametrize("path", ["/api/v1/events", "/healthz", "/nothing", "/login"])
async def test_every_answer_has_the_strict_headers(api: Api, path: str) -> None:
    for asked in (api, Api(api.daemon, None)):
        _, _, headers = await asked.ask("GET", path)
        is_page = headers["Content-Type"].startswith("text/html")
        for name, value in STRICT.items():
            asked_for = "same-origin" if is_page and name == "Referrer-Policy" else value
            assert headers[name] == asked_for
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


async def test_nothing_of_it_is_on_the_public_port(api: Api) -> None:
    for path in ("/api/v1/events", "/readyz", "/metrics", "/login", "/api/v1/openapi.json"):
        async with api.daemon.http.get(f"{api.daemon.url}{path}") as response:
            assert response.status == 404
    async with api.daemon.http.post(f"{api.daemon.admin_url}/hooks/my-slug", data=BODY) as response:
        assert response.status == 401


async def test_wrong_tokens_are_counted_and_then_an_address_waits(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    for _ in range(10):
        assert (await Api(api.daemon, "wrong").ask("GET", "/api/v1/jobs"))[0] == 401
    status, problem, headers = await api.ask("GET", "/api/v1/jobs")
    assert (status, problem["code"]) == (429, "too_many_attempts")
    assert 0 < int(headers["Retry-After"]) <= 60
    assert (await Api(api.daemon, None).ask("GET", "/healthz"))[0] == 200
    clock.advance(61)
    assert (await api.ask("GET", "/api/v1/jobs"))[0] == 200


async def login(api: Api, token: str = TOKEN, **headers: str) -> tuple[int, str | None, str]:
    status, _, answered = await Api(api.daemon, None).ask(
        "POST", "/login", data={"token": token}, headers=headers
    )
    set_cookie = answered.get("Set-Cookie", "")
    found = re.match(r"dispatchd_session=([^;]+)", set_cookie)
    api.daemon.http.cookie_jar.clear()
    return status, None if found is None else found[1], set_cookie


async def test_a_browser_logs_in_and_out(api: Api) -> None:
    browser = Api(api.daemon, None)
    status, _, headers = await browser.ask("GET", "/", headers={"Accept": "text/html,*/*"})
    assert (status, headers["Location"]) == (303, "/login")
    assert b'name="token"' in (await browser.ask("GET", "/login"))[1]
    assert (await login(api, "wrong"))[:2] == (401, None)
    status, cookie, set_cookie = await login(api)
    assert status == 303
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert attribute in set_cookie
    assert "Secure" not in set_cookie
    assert "Secure" in (await login(api, **{"X-Forwarded-Proto": "https"}))[2]
    session = {"Cookie": f"dispatchd_session={cookie}"}
    assert (await browser.ask("GET", "/api/v1/jobs", headers=session))[0] == 200
    assert (await browser.ask("GET", FIRST, headers=session))[0] == 200  # a login led to a 404
    assert TOKEN not in cookie
    # To change something the cookie is not enough: another page's form would send it too.
    pause = "/api/v1/destinations/crm/pause"
    status, problem, _ = await browser.ask("POST", pause, json={}, headers=session)
    assert (status, problem["code"]) == (403, "csrf")
    _, told, _ = await browser.ask("GET", "/api/v1/session", headers=session)
    csrf = told["csrf_token"]
    good = {**session, "X-CSRF-Token": csrf}
    assert (await browser.ask("POST", pause, json={}, headers=good))[0] == 200
    form = {"csrf_token": csrf}
    assert (await browser.ask("POST", "/logout", data=form, headers=session))[0] == 303
    assert (await browser.ask("GET", "/api/v1/jobs", headers=session))[0] == 401


async def test_who_is_logged_in_may_log_in_again(api: Api) -> None:
    """A second tab, a bookmark of the form: it knows no CSRF token and needs none."""
    _, cookie, _ = await login(api)
    session = {"Cookie": f"dispatchd_session={cookie}"}
    browser = Api(api.daemon, None)
    status, _, headers = await browser.ask("GET", "/login", headers=session)
    assert (status, headers["Location"]) == (303, FIRST)
    status, _, headers = await browser.ask("POST", "/login", data={"token": TOKEN}, headers=session)
    assert (status, headers["Location"]) == (303, FIRST)
    api.daemon.http.cookie_jar.clear()
    assert (await browser.ask("POST", "/logout", headers=session))[0] == 403  # as ever


async def test_a_session_ends_by_itself(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    _, cookie, _ = await login(api)
    browser, session = Api(api.daemon, None), {"Cookie": f"dispatchd_session={cookie}"}
    clock.advance(11 * 3600)
    assert (await browser.ask("GET", "/api/v1/jobs", headers=session))[0] == 200
    clock.advance(13 * 3600)
    assert (await browser.ask("GET", "/api/v1/jobs", headers=session))[0] == 401


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_another_sites_page_changes_nothing(api: Api, headers: dict[str, str]) -> None:
    for path in ("/api/v1/destinations/crm/pause", "/login"):
        status, problem, _ = await api.ask("POST", path, json={}, headers=headers)
        assert (status, problem["code"]) == (403, "cross_site")


async def test_without_a_token_it_answers_to_this_machines_names_alone(start_api: StartApi) -> None:
    api = await start_api(admin="{listen: '127.0.0.1:0'}")
    open_api = Api(api.daemon, None)
    assert (await open_api.ask("GET", "/api/v1/jobs"))[0] == 200
    for host in ("localhost:8081", "127.0.0.1", "[::1]:1", "127.8.8.8"):
        assert (await open_api.ask("GET", "/api/v1/jobs", headers={"Host": host}))[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "", "[", "localhost.evil"):
        status, problem, _ = await open_api.ask("GET", "/api/v1/jobs", headers={"Host": host})
        assert (status, problem["code"]) == (403, "wrong_host"), host
    # A form of another page needs no leave to be sent; JSON does.
    status, problem, _ = await open_api.ask("POST", "/api/v1/jobs", data={"a": "b"})
    assert (status, problem["code"]) == (415, "not_json")


async def test_without_a_token_no_other_sites_page_may_ask_either(start_api: StartApi) -> None:
    """It could read no answer, but time one: of a search that finds something, say."""
    open_api = Api((await start_api(admin="{listen: '127.0.0.1:0'}")).daemon, None)
    search = "/api/v1/events?search=secret"
    for site in ("cross-site", "same-site"):
        asked = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": "image"}
        status, problem, _ = await open_api.ask("GET", search, headers=asked)
        assert (status, problem["code"]) == (403, "cross_site")
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    for headers in (link, own, {}):
        assert (await open_api.ask("GET", search, headers=headers))[0] == 200


async def test_health_tells_strangers_little(api: Api) -> None:
    stranger = Api(api.daemon, None)
    assert (await stranger.ask("GET", "/healthz"))[1] == {"status": "ok"}
    assert (await stranger.ask("GET", "/readyz"))[1] == {"status": "ok"}
    _, alive, _ = await api.ask("GET", "/healthz")
    assert re.fullmatch(r"[0-9a-f]{16}", alive["config"]["fingerprint"])
    assert alive["config"]["age_s"] >= 0
    await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt")
    _, ready, _ = await api.ask("GET", "/readyz")
    assert ready["status"] == "ok"
    assert ready["oldest_due_age_s"] is None
    assert ready["commits"]["count"] >= 1
    assert ready["commits"]["p99_ms"] > 0


async def test_health_answers_whoever_has_an_old_token_too(api: Api) -> None:
    """A probe whose token was rotated away must not have the daemon restarted for it."""
    outdated = Api(api.daemon, "an-outdated-token")
    for path in ("/healthz", "/readyz"):
        assert (await outdated.ask("GET", path))[:2] == (200, {"status": "ok"})
    for _ in range(20):
        await outdated.ask("GET", "/healthz")
    assert (await outdated.ask("GET", "/api/v1/jobs"))[0] == 429  # each was counted
    assert (await api.ask("GET", "/healthz"))[:2] == (200, {"status": "ok"})


async def test_ready_says_what_waits(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    await api.post("/destinations/crm/pause", {})
    await api.daemon.accepted(BODY)
    assert (await api.ask("GET", "/readyz"))[1]["oldest_due_age_s"] is None  # held: no lateness
    await api.daemon.store.open_lane("crm", "paused")
    clock.wall_ms += 5000
    _, ready, _ = await api.ask("GET", "/readyz")
    assert ready["oldest_due_age_s"] is None or ready["oldest_due_age_s"] >= 5
    api.daemon.app._receiver.draining = True
    status, ready, _ = await api.ask("GET", "/readyz")
    assert (status, ready["status"]) == (503, "stopping")


async def test_over_a_unix_socket(start_api: StartApi, tmp_path) -> None:
    path = tmp_path / "a.sock"
    api = await start_api(admin=f"{{listen: 'unix:{path}'}}")
    assert api.daemon.admin_url is None
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://any.name/api/v1/endpoints") as response,
    ):
        assert response.status == 200
        assert [one["endpoint"] for one in (await response.json())["items"]] == ["my-slug"]
