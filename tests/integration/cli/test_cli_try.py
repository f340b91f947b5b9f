"""`dispatchd try`: what it prints works, against a real daemon."""

import asyncio
import json
import shlex

import pytest
import yaml
from click.testing import CliRunner
from hinted import environ

from dispatchd.cli import cli
from dispatchd.hints import HINTS
from dispatchd.hints.telling import config_text, send_command


def test_the_output_is_a_config(world, monkeypatch):
    world.config.write_text(world.dispatchd("try", "github").out)
    monkeypatch.setenv("GITHUB_SECRET", "a-secret")
    assert world.dispatchd("check").code == 0


def test_lists_all_without_a_name(world):
    ran = world.dispatchd("try")
    assert ran.code == 0
    for name in HINTS:
        assert f"\n  {name} " in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert [row["provider"] for row in world.dispatchd("try", "--json").json()] == list(HINTS)


def test_json_says_all_of_one(world):
    told = world.dispatchd("try", "meta", "--json").json()
    assert told["config"] == config_text("meta")
    assert set(told["keys"]) == {"secret", "verify_token"}
    told = world.dispatchd("try", "discord", "--json").json()
    assert told["send"] is None
    assert "ed25519" in told["cannot_send"]


def test_an_unknown_name(world):
    ran = world.dispatchd("try", "gihub")
    assert ran.code == 2
    assert "did you mean 'github'?" in ran.err


@pytest.fixture
def variables(monkeypatch):
    for name in HINTS:
        for variable, value in environ(name).items():
            monkeypatch.setenv(variable, value)


async def test_every_test_command_yields_an_event(start_daemon, variables, tmp_path):
    sent = [name for name in HINTS if not HINTS[name].cannot]
    parts = {name: yaml.safe_load(config_text(name)) for name in sent}
    endpoints = {name: {**parts[name]["endpoints"][name], "destinations": []} for name in sent}
    daemon = await start_daemon(yaml.safe_dump({"endpoints": endpoints}))
    for name in sent:
        file = tmp_path / f"{name}.yaml"
        listen = daemon.url.removeprefix("http://")
        file.write_text(config_text(name) + f"server: {{listen: '{listen}'}}\n")
        body, pipe, command = send_command(name).rpartition(" | ")
        words = shlex.split(command)
        given = shlex.split(body)[1] + "\n" if pipe else None
        ran = await asyncio.to_thread(
            CliRunner().invoke, cli, [*words[1:], "--json", "--config", str(file)], input=given
        )
        assert ran.exit_code == 0, (name, ran.output)
        told = json.loads(ran.stdout)
        assert told["status"] == 202, name
        event = (await daemon.story(told["event_id"])).event
        assert event.endpoint == name


async def test_an_endpoint_with_its_own_answer_still_tells_the_id(start_daemon, tmp_path):
    text = "endpoints: {pay: {secret: s, answer: {body: '[accepted]'}}}\n"
    daemon = await start_daemon(text)
    file = tmp_path / "sender.yaml"
    file.write_text(text + f"server: {{listen: '{daemon.url.removeprefix('http://')}'}}\n")
    args = ["send", "pay", "--config", str(file)]
    ran = await asyncio.to_thread(CliRunner().invoke, cli, args)
    status, _, event_id = ran.stdout.split()
    assert status == "200"
    assert (await daemon.story(event_id)).event.endpoint == "pay"
    ran = await asyncio.to_thread(CliRunner().invoke, cli, [*args, "--json"])
    assert json.loads(ran.stdout)["reply"] == "[accepted]"
    assert (await daemon.story(json.loads(ran.stdout)["event_id"])).event.endpoint == "pay"


def test_explain_names_the_methods(world):
    world.config.write_text("endpoints: {put: {secret: s, methods: [PUT]}}\n")
    ran = world.dispatchd("explain", "put")
    assert "Takes       PUT /hooks/put" in ran.out
    assert "curl -X PUT" in ran.out
