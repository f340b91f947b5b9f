"""A config that wants what is imported late or read as a file, and what must come of it.

Whatever a build left out, one of these misses it.
"""

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

from running import Running, post

from dispatchd.cli import COMMANDS

STATIC = Path(__file__).parents[2] / "dispatchd/admin/dashboard/static"
PAGES = ("/", "/events", "/destinations", "/endpoints", "/endpoints/my-slug", "/config")
CONFIG = """\
server: {listen: '127.0.0.1:PORT'}
admin: {listen: '127.0.0.1:ADMIN'}
storage: {url: 'sqlite:///DIR/events.db'}
endpoints:
  my-slug:
    secret: s3cret-of-the-test
    destinations: [nowhere, {to: team, template: told, filter: 'body.n = 1'}, mail, script, queue]
templates: {told: {default: {title: 'it is {{ body.n }}'}}}
destinations:
  nowhere:
    url: https://127.0.0.1:9/
    signing_secret: whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
    retry: {max_attempts: 1}
  team: {type: discord, url: 'http://127.0.0.1:9/', retry: {max_attempts: 1}}
  mail:
    {type: email, host: 127.0.0.1, port: 9, security: none, from: a@example.com, to: b@example.com,
     retry: {max_attempts: 1}}
  script: {type: command, run: [/bin/echo], args: ['{{ body.n }}']}
  queue: {type: pull}
alerts: [{to: team, on: [lane_held]}]
"""
# What a first attempt at each comes to: nobody listens on port 9.
ATTEMPTS = {
    "nowhere": "connection_refused",
    "team": "connection_refused",
    "mail": "connection_refused",
    "script": "",
}
# Returns what a path of the admin listener answers 200 with; anything else is an error.
Ask = Callable[[str], str]
# Runs `dispatchd` with arguments, that way, where the daemon is.
Dispatchd = Callable[..., subprocess.CompletedProcess[str]]


def asking(port: int) -> Ask:
    """Ask the admin listener on a port of this machine's loopback."""

    def ask(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    return ask


def assert_everything_works(running: Running, dispatchd: Dispatchd, config: str) -> None:
    """Have an event delivered, open the dashboard, run the commands."""
    assert post(running, b'{"n": 1}')[0] == 202
    event_id = str(running.wait_for("event")["event_id"])
    tried: dict[str, str] = {}
    while tried.keys() != ATTEMPTS.keys():
        attempt = running.wait_for("attempt")
        tried[attempt["destination"]] = attempt.get("error", "")
        if attempt["destination"] == "team":
            assert attempt["template"] == "told: applied"
    assert tried == ATTEMPTS
    assert_the_admin_listener_answers(asking(running.admin_port), event_id)
    assert_commands_work(dispatchd, config)


def assert_the_admin_listener_answers(ask: Ask, event_id: str) -> None:
    """Open every page of the dashboard, whatever they refer to, the API and the metrics."""
    referred_to: set[str] = set()
    for path in (*PAGES, f"/events/{event_id}"):
        page = ask(path)
        assert page.lstrip().startswith("<!doctype html>"), path
        referred_to.update(re.findall(r'"(/static/[^"]+)"', page))
    served = {ask(path) for path in referred_to}
    assert served == {path.read_text() for path in STATIC.iterdir()}
    assert json.loads(ask("/api/v1/openapi.json"))["openapi"].startswith("3.1")
    assert event_id in ask(f"/api/v1/events/{event_id}")
    assert "\ndispatchd_requests_total{" in ask("/metrics")
    assert ask("/readyz")


def assert_commands_work(dispatchd: Dispatchd, config: str) -> None:
    """Ask every command for help, and have those do their work that harm nothing."""
    for command in COMMANDS:
        assert f"dispatchd {command} " in dispatchd(command, "--help").stdout
    for command in (
        ["check"],
        ["reload"],
        ["events"],
        ["show", "latest"],
        ["explain", "latest"],
        ["stats"],
        ["destinations"],
        ["backup", f"{Path(config).parent}/copy.db"],
    ):
        ran = dispatchd(*command, "--config", config)
        assert ran.returncode == 0, (command, ran.stdout + ran.stderr)
    examined = dispatchd("doctor", "--json", "--config", config)
    verdicts = {
        found["name"] or found["check"]: found["verdict"]
        for found in json.loads(examined.stdout)["checks"]
    }
    assert verdicts["database"] == verdicts["daemon"] == verdicts["admin"] == "ok", examined.stdout
    assert verdicts["nowhere"] == "act"
