"""The admin listener over reloads: it stays, and tells of the config that runs."""

import asyncio
from pathlib import Path

import pytest
from rig import BODY, SECRET, FakeClock, Sink, StartDaemon, simple_config
from rig_api import TOKEN, Api, StartApi

NEEDS_A_RESTART = "admin.listen: needs a restart"


def rewrite(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


async def problems(api: Api) -> list[str]:
    refused = await api.post("/reload", status=409)
    assert refused["code"] == "reload_refused"
    return [one["message"] for one in refused["errors"]]


async def test_a_reload_is_asked_for_and_told_by_the_api(
    api: Api, sink: Sink, tmp_path: Path
) -> None:
    before = await api.get("/config")
    rewrite(tmp_path, "endpoints:", "endpoints:\n  second: {auth: none, destinations: [audit]}")
    rewrite(tmp_path, "destinations:\n", f"destinations:\n  audit: {{url: '{sink.url}audit'}}\n")
    assert await api.post("/reload") == {
        "ok": True,
        "changes": [
            {"change": "added", "kind": "endpoint", "name": "second", "keys": []},
            {"change": "added", "kind": "destination", "name": "audit", "keys": []},
        ],
        "problems": [],
        "warnings": [],
    }
    after = await api.get("/config")
    assert after["fingerprint"] != before["fingerprint"]
    assert "second" in after["config"]["endpoints"]
    assert [one["endpoint"] for one in (await api.get("/endpoints"))["items"]] == [
        "second",
        "my-slug",
    ]
    told = await api.post("/explain", {"endpoint": "second", "body": "{}"})
    assert [link["goes"] for link in told["links"]] == [True]
    assert (await api.post("/destinations/audit/test"))["delivered"]
    await api.daemon.accepted(BODY, slug="second", secret=None)
    await sink.wait_for(2)


async def test_what_left_the_config_is_gone_from_the_api(
    api: Api, sink: Sink, tmp_path: Path
) -> None:
    rewrite(tmp_path, "  crm: {", "  new: {")
    rewrite(tmp_path, "destinations: [crm]", "destinations: [new]")
    await api.post("/reload")
    await api.post("/destinations/crm/test", status=404)
    assert (await api.post("/destinations/new/test"))["delivered"]
    (crm, new) = (await api.get("/destinations"))["items"]
    assert [hold["kind"] for hold in crm["held"]] == ["config"]
    assert new["held"] == []


async def test_a_config_with_problems_changes_nothing_and_all_are_told(
    api: Api, tmp_path: Path
) -> None:
    before = await api.get("/config")
    rewrite(tmp_path, f"secret: {SECRET}", "secrets: hunter2")
    rewrite(tmp_path, "destinations: [crm]", "destinations: [crn]")
    told = await problems(api)
    assert len(told) == 3
    assert "hunter2" not in repr(told)
    assert await api.get("/config") == before


async def test_the_same_config_runs_since_it_first_did(start_api: StartApi) -> None:
    clock = FakeClock()
    api = await start_api(clock=clock)
    before = await api.get("/config")
    clock.advance(60)
    assert (await api.post("/reload"))["changes"] == []
    assert await api.get("/config") == before


async def test_another_token_ends_sessions_and_keeps_the_old_one_out(
    api: Api, tmp_path: Path
) -> None:
    anonymous = Api(api.daemon, token=None)
    _, _, headers = await anonymous.ask("POST", "/login", data={"token": TOKEN})
    cookie = {"Cookie": headers["Set-Cookie"].partition(";")[0]}
    assert (await anonymous.ask("GET", "/api/v1/stats", headers=cookie))[0] == 200
    another = f"{TOKEN}-another"
    rewrite(tmp_path, TOKEN, another)
    told = await api.post("/reload")
    assert [(one["name"], one["keys"]) for one in told["changes"]] == [("admin", ["token"])]
    assert another not in repr(told)
    assert (await api.ask("GET", "/api/v1/stats"))[0] == 401
    assert (await anonymous.ask("GET", "/api/v1/stats", headers=cookie))[0] == 401
    await Api(api.daemon, token=another).get("/stats")


@pytest.mark.parametrize("admin", ["{listen: '127.0.0.1:1'}", None])
async def test_another_address_needs_a_restart(api: Api, tmp_path: Path, admin: str | None) -> None:
    written = f"admin: {{listen: '127.0.0.1:0', token: {TOKEN}}}"
    rewrite(tmp_path, written, "" if admin is None else f"admin: {admin}")
    (problem,) = await problems(api)
    assert problem.startswith(NEEDS_A_RESTART)
    await api.get("/stats")


async def test_a_listener_where_there_was_none_needs_a_restart(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    daemon = await start_daemon(simple_config(sink))
    rewrite(tmp_path, "endpoints:", "admin: {listen: '127.0.0.1:0'}\nendpoints:")
    (problem,) = (await daemon.app.reload()).problems
    assert problem.startswith(NEEDS_A_RESTART)


async def test_a_reload_that_the_end_of_the_daemon_cuts_is_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def reload() -> None:
        await asyncio.shield(outcome)

    monkeypatch.setattr(api.daemon.app._admin._wired._listener._parts, "reload", reload)
    asked = asyncio.ensure_future(api.post("/reload", status=503))
    while not outcome._callbacks:
        await api.get("/jobs")
    outcome.cancel()  # as the duty does that ends
    assert (await asked)["code"] == "stopping"
