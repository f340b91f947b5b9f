"""The API tells of destinations that are no webhooks, and of rules, templates and alerts."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner
from rig import FakeClock, Sink, StartDaemon, always
from rig_api import TOKEN, Api

from dispatchd.cli import cli

PHONE_TOKEN = "a-phones-own-token"
CONFIG = """
admin: {{listen: '127.0.0.1:0', token: {token}}}
endpoints:
  gh:
    auth: none
    event_type_path: type
    destinations:
      - to: phone
        rules: [{{name: deploys, event_types: push, template: deploy}}]
      - {{to: run, event_types: [push]}}
templates:
  deploy: {{default: {{title: "Deployed {{{{ body.ref }}}}"}}}}
destinations:
  phone: {{type: gotify, url: '{url}', token: {phone}}}
  run: {{type: command, run: [/bin/cat], env: {{KEY: {phone}}}}}
"""


async def started(start_daemon: StartDaemon, sink: Sink) -> Api:
    sink.answer = always(200, body=b'{"id": 1}', content_type="application/json")
    text = CONFIG.format(token=TOKEN, url=sink.url.rstrip("/"), phone=PHONE_TOKEN)
    return Api(await start_daemon(text))


async def kept(api: Api, body: dict[str, str]) -> str:
    event_id = await api.daemon.accepted(json.dumps(body).encode(), slug="gh", secret=None)
    await api.daemon.log.wait_for("attempt", event_id=event_id, destination="phone")
    return event_id


async def test_a_delivery_tells_its_rule_its_template_and_whose_terms(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    api = await started(start_daemon, sink)
    event_id = await kept(api, {"type": "push", "ref": "main"})
    told = await api.get(f"/events/{event_id}/deliveries/phone")
    assert (told["rule"], told["variant"]) == ("deploys", "default")
    assert told["attempts"][0]["template"] == "deploy: applied"
    other = await api.get(f"/events/{await kept(api, {'type': 'ping'})}/deliveries/phone")
    assert (other["rule"], other["variant"]) == (None, None)
    assert other["attempts"][0]["template"] is None
    await api.daemon.log.wait_for("attempt", event_id=event_id, destination="run")
    argv = ["show", event_id, "--json", "--config", str(tmp_path / "config.yaml")]
    ran = await asyncio.to_thread(CliRunner().invoke, cli, argv)
    assert json.loads(ran.stdout) == await api.get(f"/events/{event_id}")


async def test_explaining_says_what_would_be_said(start_daemon: StartDaemon, sink: Sink) -> None:
    api = await started(start_daemon, sink)
    pasted = {"endpoint": "gh", "body": '{"type": "push", "ref": "main"}'}
    phone, run = (await api.post("/explain", pasted))["links"]
    assert phone["rule"] == "deploys"
    assert phone["said"]["variant"] == "default"
    assert phone["said"]["tree"]["title"] == "Deployed main"
    assert (run["goes"], run["url"], run["body"]) == (True, "/bin/cat", pasted["body"])
    phone, run = (await api.post("/explain", {"endpoint": "gh", "body": '{"type": "x"}'}))["links"]
    assert phone["rule"] == "none of its rules matches"
    assert phone["message"]["title"]
    assert (run["goes"], run["turned_away_by"]) == (False, "event_types")


async def test_no_token_is_shown_of_any_type(start_daemon: StartDaemon, sink: Sink) -> None:
    api = await started(start_daemon, sink)
    config = (await api.get("/config"))["config"]["destinations"]
    assert config["phone"]["token"] == "***"
    assert config["run"]["env"] == {"KEY": "***"}
    (endpoint,) = (await api.get("/endpoints"))["items"]
    assert [(one["rules"], one["template"]) for one in endpoint["links"]] == [
        (["deploys"], None),
        ([], None),
    ]
    assert [one["destination"] for one in (await api.get("/destinations"))["items"]] == [
        "phone",
        "run",
    ]
    for path in ("/config", "/endpoints", "/destinations"):
        assert PHONE_TOKEN not in json.dumps(await api.get(path))


async def test_a_test_speaks_and_runs(start_daemon: StartDaemon, sink: Sink) -> None:
    api = await started(start_daemon, sink)
    assert (await api.post("/destinations/phone/test"))["delivered"]
    assert b"dispatchd" in sink.received[0][1]
    told = await api.post("/destinations/run/test")
    assert told["delivered"]
    assert '"test": true' in told["attempt"]["response"]


async def test_an_alert_is_an_event_that_can_be_explained_and_counted(
    start_daemon: StartDaemon, sink: Sink, sink_factory
) -> None:
    clock, ops = FakeClock(), await sink_factory()
    yaml = f"""
    admin: {{listen: '127.0.0.1:0', token: {TOKEN}}}
    endpoints: {{gh: {{auth: none, destinations: [crm]}}}}
    destinations:
      crm: {{url: '{sink.url}', retry: {{max_attempts: 1}}}}
      ops: {{url: '{ops.url}'}}
    alerts: [{{to: ops, on: [delivery_failed]}}]
    """
    sink.answer = always(500)
    api = Api(await start_daemon(yaml, clock=clock))
    await api.daemon.accepted(b"{}", slug="gh", secret=None)
    await api.daemon.log.wait_for("attempt", destination="crm")
    await api.daemon.pass_until(clock, lambda: ops.received)
    await api.daemon.log.wait_for("attempt", destination="ops")
    (alert,) = (await api.get("/events", endpoint="dispatchd:alerts"))["items"]
    told = await api.get(f"/events/{alert['event_id']}/explain")
    assert told["notes"] == ["an alert of dispatchd's own"]
    assert [one["status"] for one in told["deliveries"]] == ["success"]
    history = await api.get("/stats/history", step="hour", since="2h")
    counted = {one["endpoint"]: one["results"] for one in history["endpoints"]}
    assert counted == {"gh": {"received": 1}, "dispatchd:alerts": {"received": 1}}
