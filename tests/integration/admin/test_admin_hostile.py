"""What hostile clients send the admin listener: each is answered in its own terms, never a 5xx."""

import asyncio
import json
from typing import Any

import pytest
from patience import HANG_S
from rig import Daemon, FakeClock, Sink, StartDaemon, always
from rig_api import TOKEN, Api, StartApi

HUGE = "0" * 19 + "1" + "9" * 30  # its first twenty digits are 1
AFTER_9999 = "9999-12-31T23:59:59-23:59"
STRICT = (
    b"Content-Security-Policy:",
    b"X-Frame-Options: DENY",
    b"X-Content-Type-Options: nosniff",
    b"Referrer-Policy: no-referrer",
    b"Cache-Control: no-store",
)


async def raw(daemon: Daemon, *sent: bytes) -> bytes:
    """Send bytes to the admin listener; return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.app.admin_port)
    try:
        for part in sent:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(HANG_S):
            return await reader.read()
    finally:
        writer.close()


def faults(api: Api) -> list[Any]:
    return api.daemon.log.of("internal_error")


@pytest.mark.parametrize(
    "path",
    [
        f"/events?limit={HUGE}",
        f"/refused?before={HUGE}",
        f"/refused/{HUGE}",
        f"/jobs/{HUGE}",
        f"/stats?since={AFTER_9999}",
        f"/stats/history?until={AFTER_9999}",
        "/stats/history?since=0001-01-01T00:00:00%2B23:59",
    ],
)
async def test_a_number_or_a_time_beyond_all_bounds_is_refused(api: Api, path: str) -> None:
    status, problem, _ = await api.ask("GET", f"/api/v1{path}")
    assert (status, problem["code"]) == (400, "invalid")


async def test_a_replay_until_the_year_10000_does_not_break_the_list_of_jobs(api: Api) -> None:
    for name in ("since", "until"):
        told = await api.post("/jobs", {"endpoint": "my-slug", name: AFTER_9999}, status=400)
        assert [flaw["name"] for flaw in told["errors"]] == [name]
    assert (await api.get("/jobs"))["items"] == []
    assert (await api.post(f"/jobs/{HUGE}/cancel", status=400))["code"] == "invalid"


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (FORM, b"token=\xff\xfe", 401),
        (f"{FORM}; charset=foo", b"token=a", 401),
        (f"{FORM}; charset=rot13", b"token=a", 401),
        (FORM, b"&".join(b"a=b" for _ in range(1000)), 401),
        (FORM, b"", 401),
        (FORM, b"token=" + b"a" * 10_000, 413),
        ("multipart/form-data", b"x", 415),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n", 415),
        (";/;=", b"token=a", 415),
    ],
)
async def test_a_login_that_is_no_form_is_no_fault_of_ours(
    api: Api, content_type: str, body: bytes, status: int
) -> None:
    stranger = Api(api.daemon, None)
    got, _, _ = await stranger.ask(
        "POST", "/login", data=body, headers={"Content-Type": content_type}
    )
    assert got == status
    assert not faults(api)


async def test_a_token_with_a_typo_is_in_no_log_line(api: Api) -> None:
    """What a decoder says of bytes that are no UTF-8 quotes them."""
    await Api(api.daemon, None).ask(
        "POST", "/login", data=f"token={TOKEN}".encode() + b"\xff", headers={"Content-Type": FORM}
    )
    assert TOKEN not in str(api.daemon.log.lines)


async def test_a_page_with_a_form_has_browsers_say_where_it_came_from(api: Api) -> None:
    """With `no-referrer` they send `Origin: null` with a form: nobody could log in."""
    _, _, headers = await Api(api.daemon, None).ask("GET", "/login")
    assert headers["Content-Type"].startswith("text/html")
    assert headers["Referrer-Policy"] == "same-origin"  # to other sites it tells nothing either
    _, _, headers = await api.ask("GET", "/api/v1/jobs")
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_a_body_that_does_not_come_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatchd.admin.body.READ_S", 0.05)
    for path, kind in (("/login", FORM), ("/api/v1/explain", "application/json")):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n"
        )
        answer = await raw(api.daemon, head.encode() + b"a")
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert b"application/problem+json" in answer
    assert not faults(api)


async def test_whoever_goes_away_within_a_body_is_no_fault_of_ours(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.daemon.app.admin_port)
    writer.write(
        f"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")  # it is being read
    writer.close()
    await writer.wait_closed()
    await api.get("/jobs")
    await api.get("/jobs")
    assert not faults(api)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs", {"filter": "a" * 300_000}),
        ("/jobs", {"filter": "'" + "a" * 20_000 + "'"}),
        ("/jobs", {"filter": {f"body.a{n}": 1 for n in range(2000)}}),
        ("/jobs", {"filter": {"body.a": json.loads("[" * 500 + "]" * 500)}}),
        ("/jobs", {"event_type": "a*" * 1000}),
        ("/destinations/crm/pause", {"reason": "a" * 300_000}),
    ],
)
async def test_a_body_is_no_larger_than_its_operation_needs(api: Api, path: str, body: Any) -> None:
    status, problem, _ = await api.ask("POST", f"/api/v1{path}", json=body)
    assert (status, problem["code"]) in ((413, "too_large"), (400, "invalid"))
    assert (await api.get("/jobs"))["items"] == []


async def test_no_more_flaws_are_looked_for_than_are_told(api: Api) -> None:
    asked = {"endpoint": "my-slug", "headers": [[1] * 100] * 1000}
    problem = await api.post("/explain", asked, status=400)
    assert len(problem["errors"]) == 100


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 12_000,
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: foo\r\n\r\na",
        f"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n".encode(),
    ],
)
async def test_what_cannot_be_read_is_answered_as_anything_else(api: Api, sent: bytes) -> None:
    answer = await raw(api.daemon, sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head[:10] == b"HTTP/1.1 4", head
    assert b"Content-Type: application/problem+json" in head
    for header in STRICT:
        assert header in head
    problem = json.loads(body)
    assert problem["status"] == int(head[9:12])
    assert {"type", "title", "code", "detail"} < problem.keys()
    assert not faults(api)


async def test_a_connection_too_many_is_answered_as_anything_else(
    start_api: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatchd.admin.listener.CONNECTIONS_PER_CLIENT_MAX", 0)
    api = await start_api()
    answer = await raw(api.daemon, b"")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"application/problem+json" in answer
    assert b"Retry-After: 1" in answer


PEOPLE = f"""
admin: {{{{listen: '127.0.0.1:0', token: {TOKEN}}}}}
endpoints:
  a:
    auth: none
    event_type_path: a
    idempotency: {{{{body: key}}}}
    destinations: [phone, {{{{to: other, filter: {{{{body.a: x}}}}}}}}]
destinations:
  phone: {{{{type: gotify, url: '{{url}}', token: a-phones-token}}}}
  other: {{{{type: gotify, url: '{{url}}', token: a-phones-token}}}}
"""


async def test_half_a_pair_in_a_webhook_can_be_explained(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    r"""JSON may hold `\ud800` alone, which no UTF-8 can spell."""
    sink.answer = always(200, body=b'{"id": 1}', content_type="application/json")
    api = Api(await start_daemon(PEOPLE.format(url=sink.url.rstrip("/"))))
    for body in (b'{"a": "\\ud800", "key": "\\udfff"}', b'{"\\ud800": 1}', b'"\\ud800"'):
        event_id = await api.daemon.accepted(body, slug="a", secret=None)
        explained = await api.get(f"/events/{event_id}/explain")
        pasted = await api.post("/explain", {"endpoint": "a", "body": body.decode()})
        assert [len(one["links"]) for one in (explained, pasted)] == [2, 2]
    assert not faults(api)


async def test_ready_does_not_wait_for_a_database_that_does_not_answer(
    start_api: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatchd.admin.health.ASK_S", 0.05)
    api = await start_api(clock=FakeClock())
    never = asyncio.Event()
    monkeypatch.setattr(
        api.daemon.app._admin._wired._reads, "oldest_due_ms", never.wait, raising=False
    )
    status, ready, _ = await api.ask("GET", "/readyz")
    assert (status, ready["status"], ready["oldest_due_age_s"]) == (200, "ok", None)
