"""The API tells what the CLI tells, in the same shapes, and does what it does."""

import asyncio
import io
import json
from typing import Any

import pytest
from click.testing import CliRunner
from rig import BODY, SECRET, FakeClock, Sink, always, signature
from rig_api import TOKEN, Api, StartApi

from dispatchd.cli import cli
from dispatchd.spelling import iso

NO_ID = "0198c0de-0000-7000-8000-000000000001"


async def delivered(api: Api, body: bytes = BODY) -> str:
    event_id = await api.daemon.accepted(body)
    await api.daemon.log.wait_for("attempt", event_id=event_id)
    return event_id


@pytest.mark.parametrize(
    ("command", "path", "part"),
    [
        (["events"], "/events", "items"),
        (["show", "latest"], "/events/{id}", None),
        (["explain", "latest"], "/events/{id}/explain", None),
        (["destinations"], "/destinations", "items"),
        (["stats", "--since", "2020-01-01T00:00:00Z"], "/stats?since=2020-01-01T00:00:00Z", None),
        (["jobs"], "/jobs", "items"),
        (["refused"], "/refused", "items"),
    ],
)
async def test_the_shapes_are_those_of_the_command_line(
    api: Api, tmp_path, command: list[str], path: str, part: str | None
) -> None:
    event_id = await delivered(api)
    await api.post("/jobs", {"event_ids": [event_id]}, 201)
    await api.daemon.log.wait_for("job_ended")
    await api.daemon.log.wait_for("attempt", 2, event_id=event_id)
    await api.daemon.post(b"{")
    told = await api.get(path.format(id=event_id))
    ran = await _run([*command, "--json", "--config", str(tmp_path / "config.yaml")])
    shown = told if part is None else told[part]
    if path == "/stats?since=2020-01-01T00:00:00Z":
        for one in (shown, ran):
            del one["database_bytes"]  # it grows
    assert shown == ran


async def _run(argv: list[str]) -> Any:
    ran = await asyncio.to_thread(CliRunner().invoke, cli, argv)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


async def test_statistics_of_a_day_of_the_past_are_told_by_its_end(api: Api) -> None:
    told = await api.get("/stats", until="2026-01-31T12:00:00Z")
    assert (told["since"], told["until"]) == (
        "2026-01-30T12:00:00.000Z",
        "2026-01-31T12:00:00.000Z",
    )


async def test_events_by_filters_page_by_page(api: Api) -> None:
    ids = [
        await delivered(api, b'{"action": "%d", "n": "needle%d"}' % (n % 2, n)) for n in range(5)
    ]
    page = await api.get("/events", limit=2)
    found = [one["event_id"] for one in page["items"]]
    while page["next"] is not None:
        page = await api.get("/events", limit=2, before=page["next"])
        found += [one["event_id"] for one in page["items"]]
    assert found == ids[::-1]
    for query, expected in (
        ({"event_type": "1"}, [ids[3], ids[1]]),
        ({"search": "needle3"}, [ids[3]]),
        ({"destination": "crm", "delivery": "success"}, ids[::-1]),
        ({"delivery": "failed"}, []),
        ({"endpoint": "other"}, []),
        ({"since": "1h", "status": "received"}, ids[::-1]),
    ):
        page = await api.get("/events", **query)
        assert [one["event_id"] for one in page["items"]] == expected, query


async def test_a_body_comes_as_it_was_and_as_nothing_a_browser_runs(api: Api) -> None:
    body = b'{"a": "<script>alert(1)</script>"}'
    event_id = await delivered(api, body)
    status, got, headers = await api.ask("GET", f"/api/v1/events/{event_id}/body")
    assert (status, got) == (200, body)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Security-Policy"].startswith("sandbox;")


async def test_deliveries_and_attempts(api: Api) -> None:
    event_id = await delivered(api)
    one = await api.get(f"/events/{event_id}/deliveries/crm")
    assert one["attempts"][0]["status_code"] == 200
    assert (await api.get(f"/events/{event_id}/deliveries"))["items"] == [one]
    (owed,) = (await api.get("/deliveries", destination="crm", status="success"))["items"]
    assert (owed["event_id"], owed["attempts"]) == (event_id, 1)
    assert (await api.get("/deliveries", status="failed"))["items"] == []


async def test_pause_and_resume_act_at_once(start_api: StartApi, sink: Sink) -> None:
    api = await start_api(clock=FakeClock())  # so no look of the daemon's own comes in between
    lane = await api.post("/destinations/crm/pause", {"reason": "moving"})
    assert (lane["state"], lane["held"][0]["reason"]) == ("held", "moving")
    await api.daemon.log.wait_for("lane_held")
    await api.daemon.accepted(BODY)
    lane = await api.get("/destinations/crm")
    assert lane["backlog"] == 1
    assert sink.received == []
    assert (await api.post("/destinations/crm/resume"))["held"] == []
    await sink.wait_for(1)


async def test_a_test_goes_out_as_a_delivery_would_and_is_kept_nowhere(
    start_api: StartApi, sink: Sink
) -> None:
    api = await start_api()
    told = await api.post("/destinations/crm/test")
    assert (told["delivered"], told["attempt"]["status_code"]) == (True, 200)
    headers, body = sink.received[0]
    assert headers["X-Dispatch-Event-Type"] == "dispatchd.test"
    assert json.loads(body)["test"] is True
    sink.answer = always(500, text="no")
    told = await api.post("/destinations/crm/test")
    assert (told["delivered"], told["attempt"]["response"]) == (False, "no")
    assert (await api.get("/events"))["items"] == []
    assert (await api.get("/destinations/crm"))["last_error"] is None


async def test_a_replay_from_start_to_end(start_api: StartApi, sink: Sink) -> None:
    api = await start_api(clock=FakeClock())
    event_id = await delivered(api)
    job = await api.post("/jobs", {"event_ids": [event_id], "rate": "100/s"}, 201)
    await sink.wait_for(2)
    assert (await api.get(f"/jobs/{job['job']}"))["deliveries"] == 1
    status, problem, _ = await api.ask("POST", f"/api/v1/jobs/{job['job']}/cancel")
    assert (status, problem["code"]) == (409, "ended")
    slow = await api.post("/jobs", {"statuses": ["success"], "rate": "1/h"}, 201)
    assert (await api.post(f"/jobs/{slow['job']}/cancel"))["state"] == "cancelled"


async def test_a_replay_is_counted_where_no_delivery_waits_for_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many events that takes a while, and the daemon's own reader hands out what is due."""
    asked: list[Any] = []
    monkeypatch.setattr(api.daemon.app._store, "draft_job", lambda *given: asked.append(given))
    job = await api.post("/jobs", {"endpoint": "my-slug"}, 201)
    assert (job["job"], job["state"]) == (1, "queued")
    assert not asked


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, ""),
        ({"rate": "1/s"}, ""),
        ({"rate": "fast", "since": "1h"}, "rate"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-01-01"}, "until"),
        ({"event_ids": ["x"]}, "event_ids[0]"),
        ({"event_ids": [NO_ID]}, "event_ids"),
        ({"destination": "nobody"}, "destination"),
        ({"endpoint": "nobody"}, "endpoint"),
        ({"filter": "(("}, "filter"),
        ({"filter": {"nothing": 1}}, "filter"),
        ({"statuses": ["held"]}, "statuses[0]"),
        ({"sinc": "1h"}, "sinc"),
        ([], ""),
    ],
)
async def test_a_replay_that_makes_no_sense_is_told_why(api: Api, body: Any, name: str) -> None:
    problem = await api.post("/jobs", body, 400)
    assert name in [error["name"] for error in problem["errors"]]
    assert (await api.get("/jobs"))["items"] == []
    assert await api.post("/dry-run", body, 400) == problem


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"statuses": ["success"]}, 2),
        ({"statuses": ["success"], "filter": {"body.n": 2}}, 1),
        ({"statuses": ["success"], "filter": "body.n = 2"}, 1),
        ({"statuses": ["success"], "until": "1h"}, 0),
        ({"destination": "crm"}, 0),  # of failed ones there are none
    ],
)
async def test_a_dry_run_counts_and_changes_nothing(
    api: Api, sink: Sink, query: dict[str, Any], count: int
) -> None:
    for n in (1, 2):
        event_id = await api.daemon.accepted(b'{"n":%d}' % n)
        await api.daemon.log.wait_for("attempt", event_id=event_id)
    told = await api.post("/dry-run", {**query, "rate": "1/s"})
    assert told == {
        "deliveries": count,
        "destinations": {"crm": count} if count else {},
        "complete": True,
        "dry_run": True,
    }
    assert (await api.get("/jobs"))["items"] == []
    assert len(sink.received) == 2


async def test_a_pasted_request_is_judged_and_not_kept(api: Api, sink: Sink) -> None:
    pasted = {
        "endpoint": "my-slug",
        "headers": [["X-Dispatch-Signature", signature(BODY)]],
        "body": BODY.decode(),
    }
    told = await api.post("/explain", pasted)
    assert told["verified"] == {"ok": True, "by": "dispatch[0]", "why": None}
    assert told["links"][0]["goes"] is True
    assert "X-Dispatch-Event-ID" in told["links"][0]["headers"]
    told = await api.post("/explain", {**pasted, "body": "{}"})
    assert told["verified"]["ok"] is False
    told = await api.post("/explain", {"endpoint": "my-slug", "body_base64": "/w=="})
    assert told["status"] == "refused"
    assert (await api.get("/events"))["items"] == []
    assert sink.received == []
    for wrong in (
        {"endpoint": "none"},
        {"endpoint": "my-slug", "headers": [["a"]]},
        {"endpoint": "my-slug", "body_base64": "?"},
        {"endpoint": "my-slug", "body_base64": "YQ==", "body": ""},
        {"endpoint": "my-slug", "source_ip": "here"},
    ):
        await api.post("/explain", wrong, 400)


async def test_the_config_is_shown_without_a_secret(start_api: StartApi) -> None:
    api = await start_api(extra="api_keys: [{name: ci, hash: 'sha256:%s'}]" % ("ab" * 32))
    told = await api.get("/config")
    shown = json.dumps(told)
    for secret in (SECRET, TOKEN, "ab" * 32):
        assert secret not in shown
    assert told["config"]["endpoints"]["my-slug"]["secret"] == ["***"]
    assert told["config"]["destinations"]["crm"]["timeout_s"] == 30.0
    assert told["fingerprint"] == (await api.ask("GET", "/healthz"))[1]["config"]["fingerprint"]
    (endpoint,) = (await api.get("/endpoints"))["items"]
    assert endpoint == await api.get("/endpoints/my-slug")
    assert SECRET not in json.dumps(endpoint)


async def test_counts_over_time(api: Api) -> None:
    await delivered(api)
    for step in ("minute", "hour"):
        told = await api.get("/stats/history", step=step, since="2h")
        (came,) = told["endpoints"]
        (went,) = told["destinations"]
        assert (came["endpoint"], came["results"]) == ("my-slug", {"received": 1})
        assert (went["destination"], went["results"]) == ("crm", {"success": 1})
        assert went["p50_ms"] > 0
    told = await api.get("/stats/history", since="30d")  # further back than minutes are kept
    assert len(told["endpoints"]) == 1
    assert told["next"] is None


async def test_a_long_history_comes_in_pieces(
    start_api: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once it would take the daemon's loop seconds, and its memory a gigabyte."""
    monkeypatch.setattr("dispatchd.admin.api.insight.HISTORY_ROWS", 2)
    clock = FakeClock()
    api = await start_api(clock=clock)
    for _ in range(5):
        await delivered(api)
        clock.advance(60)
    whole = {"since": iso(clock.wall_ms - 600_000), "until": iso(clock.wall_ms)}
    found, asked = [], dict(whole)
    while asked["since"] is not None:
        told = await api.get("/stats/history", **asked)
        assert len(told["endpoints"]) <= 2
        assert told["until"] == (told["next"] or whole["until"])
        found += told["endpoints"]
        asked["since"] = told["next"]
    assert sum(one["results"]["received"] for one in found) == 5
    assert len({one["start"] for one in found}) == 5


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/events?limit=0", 400),
        ("/events?limit=1001", 400),
        ("/events?nothing=1", 400),
        ("/events?limit=1&limit=2", 400),
        ("/events?status=held", 400),
        ("/events?since=then", 400),
        ("/events?before=latest", 400),
        ("/events/latest", 400),
        (f"/events/{NO_ID}", 404),
        (f"/events/{NO_ID}/body", 404),
        (f"/events/{NO_ID}/deliveries/crm", 404),
        ("/destinations/nobody", 404),
        ("/endpoints/nobody", 404),
        ("/jobs/7", 404),
        ("/jobs/x", 400),
        ("/refused/7", 404),
        ("/nothing", 404),
    ],
)
async def test_what_is_wrong_is_a_problem_document(api: Api, path: str, status: int) -> None:
    got, problem, headers = await api.ask("GET", f"/api/v1{path}")
    assert got == status
    assert headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["detail"]


async def test_methods_and_bodies(api: Api) -> None:
    status, _, headers = await api.ask("DELETE", "/api/v1/jobs")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST")
    for body, code in (
        (b"{", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b'{"since": 1}', "invalid"),
    ):
        status, problem, _ = await api.ask(
            "POST", "/api/v1/jobs", data=body, headers={"Content-Type": "application/json"}
        )
        assert (status, problem["code"]) == (400, code)
    large = io.BytesIO(b'"' + b"x" * 5_000_000 + b'"')
    status, problem, _ = await api.ask(
        "POST", "/api/v1/jobs", data=large, headers={"Content-Type": "application/json"}
    )
    assert (status, problem["code"]) == (413, "too_large")
