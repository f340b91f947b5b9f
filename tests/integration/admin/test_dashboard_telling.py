"""What the dashboard's pages tell: rates, times, health, set-up, refusals, trouble first."""

import asyncio
import re

from patience import HANG_S
from rig import BODY, Sink, StartDaemon, signature, simple_config
from rig_api import TOKEN, Api, StartApi
from rig_pages import HTML, PAGE_MAX_BYTES, page, told, weight
from rig_pull import OTHER_KEY, start_queue


async def test_the_overview_tells_rates_times_backlog_and_health(start_api: StartApi) -> None:
    api = await start_api()
    for _ in range(3):
        await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt", 3)
    await api.post("/destinations/crm/pause", {"reason": "noon"})
    await api.daemon.accepted(BODY)
    for _ in range(2):
        await api.daemon.post(BODY, secret="wrong")
    async with asyncio.timeout(HANG_S):  # what is counted is kept with the next batch
        while "2 refused" not in (text := told(await page(api, "/"))):
            await api.daemon.store.ping()
    for words in (
        "Received",
        "4 in the last hour",
        "Delivered",
        "3 in the last hour",
        "Failed",
        "0 for good, 0 tries",
        "Delivery time",
        "half within; 99 % within",
        "Backlog",
        "1 held",
        "crm webhook Paused noon",
    ):
        assert words in text, (words, text)
    for span, words in (("hour", "the last hour"), ("day", "the last day"), ("week", "week")):
        html = await page(api, f"/?span={span}")
        assert words in told(html)
        assert f'href="/?span={span}" aria-current="true"' in html
        assert len(re.findall(r'<svg[^>]+class="spark"', html)) >= 2  # destination, endpoint
    exact = r'<time datetime="[^"]+Z" title="\d{4}-\d\d-\d\d [\d:.]+ UTC">[^<]+</time>'
    assert re.search(exact, html)


async def test_an_endpoint_tells_its_url_its_set_up_and_what_was_refused(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    yaml = simple_config(sink).replace("event_type_path: action", "provider: github")
    admin = f"admin: {{listen: '127.0.0.1:0', token: {TOKEN}}}"
    api = Api(await start_daemon(f"{yaml}\n{admin}\n"))
    wrong = {"X-Hub-Signature-256": signature(BODY, "wrong")}
    for _ in range(2):
        await api.daemon.post(BODY, headers=wrong)
    await api.daemon.post(b"{", headers={"X-Hub-Signature-256": signature(b"{")})
    async with asyncio.timeout(HANG_S):
        while "invalid json 1" not in (text := told(await page(api, "/endpoints/my-slug"))):
            await api.daemon.store.ping()
    assert "invalid signature 2" in text
    assert "http://127.0.0.1:0/hooks/my-slug" in text  # as server.listen says
    assert "Setting up GitHub" in text
    assert "Recent Deliveries" in text
    assert "<code>openssl rand -hex 32</code>" in await page(api, "/endpoints/my-slug")


async def test_what_wants_to_be_looked_at_comes_first(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    names = [f"a{n}" for n in range(5)] + ["z-paused"]
    yaml = simple_config(sink).replace("[crm]", f"[{', '.join(names)}]")
    urls = "".join(f"  {name}: {{url: '{sink.url}'}}\n" for name in names)
    admin = f"admin: {{listen: '127.0.0.1:0', token: {TOKEN}}}"
    api = Api(await start_daemon(f"{yaml}{urls}{admin}\n"))
    await api.post("/destinations/z-paused/pause", {})
    event = await api.daemon.accepted(BODY)
    await api.daemon.log.wait_for("attempt", 5)
    text = told(await page(api, "/events"))
    assert "z-paused held a0 delivered a1 delivered a2 delivered and 2 more" in text
    shown = re.findall(
        r'<article class="delivery" id="to-([^"]+)"', await page(api, f"/events/{event}")
    )
    assert shown == ["z-paused", *names[:5]]


async def test_jobs_of_whatever_length_stay_light(api: Api) -> None:
    long = '"' * 900
    chosen = {"event_type": f"{long}*", "filter": f"body.x = '{'<' * 15_000}'", "rate": "1/h"}
    for _ in range(45):
        await api.post("/jobs", chosen, 201)
    for path in ("/jobs", "/jobs/1"):
        assert await weight(api, await page(api, path)) <= PAGE_MAX_BYTES, path
    assert "Older ones are told by" in await page(api, "/jobs")


async def test_a_queue_says_where_to_claim_and_who_asks(start_daemon: StartDaemon) -> None:
    queue = await start_queue(start_daemon)
    shown = "/destinations/jobs"
    behind = {**HTML, "X-Forwarded-Proto": "https", "Host": "hooks.example.com"}
    _, body, _ = await queue.admin.ask("GET", shown, headers=behind)
    assert "https://hooks.example.com/api/v1/pull/jobs/claim" in body.decode()
    assert "Send a test" not in body.decode()
    for key in ("wrong", OTHER_KEY):  # strangers are no consumers
        path = "/api/v1/pull/jobs/claim"
        assert (await Api(queue.daemon, key).ask("POST", path, json={}))[0] in (401, 403)
    assert "none asked since it started" in told(await page(queue.admin, shown))
    event = await queue.daemon.accepted(BODY)
    await until(queue.admin, shown, "no consumer has asked since dispatchd started")
    assert "Waits for a consumer; due" in await page(queue.admin, f"/events/{event}")
    (item,) = await queue.claim()
    text = await until(queue.admin, shown, "Leased now 1")
    assert "Waiting 0" in text
    assert "Consumers last asked" in text
    assert "A consumer has it" in await page(queue.admin, f"/events/{event}")
    await queue.done("ack", item["lease_id"])
    await until(queue.admin, "/destinations", "Healthy")


async def until(api: Api, path: str, words: str) -> str:
    """Return what a page says once it says this: lanes are counted once a second."""
    async with asyncio.timeout(HANG_S):
        while words not in (text := told(await page(api, path))):
            await api.daemon.store.ping()
    return text
