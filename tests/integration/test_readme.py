"""The README is run: its two commands are what they say, its tour arrives."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from rig_served import free_port

from dispatchd.config import RetryConfig
from dispatchd.model import ErrorClass

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def test_two_commands_of_one_line_each() -> None:
    setup, tests = BLOCKS[:2]
    assert setup.count("\n") == tests.count("\n") == 1
    assert "serve --config config.example.yaml" in setup
    assert tests.strip() in (ROOT / ".ci" / "run").read_text()


def test_the_tour(tmp_path: Path) -> None:
    serve_port, catch_port = free_port(), free_port()
    example = (ROOT / "config.example.yaml").read_text()
    config = tmp_path / "config.example.yaml"  # and no other: the tour must name it
    config.write_text(
        example.replace("127.0.0.1:8080", f"127.0.0.1:{serve_port}").replace(
            "127.0.0.1:9000", f"127.0.0.1:{catch_port}"
        )
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    env.pop("DISPATCHD_CONFIG", None)
    command = [sys.executable, "-m", "dispatchd"]

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *arguments],
            cwd=tmp_path,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    catch = start("catch", "--port", str(catch_port))
    serve = start("serve", "--config", config.name, "--log-format", "json")
    try:
        assert catch.stdout is not None
        assert serve.stdout is not None
        assert "catching on" in catch.stdout.readline()
        while '"started"' not in serve.stdout.readline():
            assert serve.poll() is None
        sender = BLOCKS[3].replace("127.0.0.1:8080", f"127.0.0.1:{serve_port}")
        assert "curl" in sender
        ran = subprocess.run(
            ["bash", "-euc", sender], capture_output=True, text=True, check=True, env=env
        )
        found = re.fullmatch(r'\{"event_id":"([0-9a-f-]{36})"\}', ran.stdout)
        assert found is not None, ran.stdout
        seen = ""
        while "Bug report" not in seen:
            seen += catch.stdout.readline()
        assert found[1] in seen
        assert "X-Dispatch-Endpoint-ID" in seen
        while '"attempt"' not in serve.stdout.readline():
            assert serve.poll() is None
        asking = BLOCKS[4].replace(".venv/bin/dispatchd", shlex.join(command))
        story = subprocess.run(
            ["bash", "-euc", asking],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert story.returncode == 0, story.stderr
        assert story.stdout.count(found[1]) >= 2
        assert "Verified    by dispatch[0]" in story.stdout
        assert "success" in story.stdout
    finally:
        for process in (catch, serve):
            process.terminate()
            process.communicate()
    assert serve.returncode == catch.returncode == 0


def test_the_retries_last_as_long_as_it_says() -> None:
    assert RetryConfig().policy().max_attempts == 7
    assert round(lasts_s("quick") / 60) == int(re.search(r"(\d+) minutes in all", README)[1])
    hours = re.search(r"`retry: standard`, which goes on for (\d+) hours", README)
    assert hours is not None
    assert int(lasts_s("standard") / 3600) == int(hours[1])


def lasts_s(preset: str) -> float:
    """Return the time from the first attempt to the last, were each to fail at once."""
    policy = RetryConfig(preset=preset).policy()
    last = len(policy.backoff_ms) - 1
    return sum(policy.backoff_ms[min(n, last)] for n in range(policy.max_attempts - 1)) / 1000


def test_every_command_it_shows_says_which_binary() -> None:
    tour = README.split("## The 60-second tour")[1].split("From here on `dispatchd` stands for")[0]
    bare = r"(?<!\.venv/bin/)\bdispatchd (?=serve|catch|send|show|explain|events|replay)"
    assert not re.findall(bare, tour)


@pytest.mark.parametrize(
    "page", ["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_operations_page_names_what_the_log_says() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "dispatchd").rglob("*.py"))
    section = operations.split("## What the log says")[1].split("\n## ")[0]
    told = {
        name
        for row in re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    } - {"event"}
    told.add("event")
    written = set(re.findall(r'(?:log|_log)\.(?:info|warning|error)\(\s*"(\w+)"', code))
    written |= set(re.findall(r'write\(\s*"(\w+)"', code)) | {
        "lane_held",
        "lane_paced",
        "lane_recovered",
        "library",
        "log_lines_dropped",
    }
    assert written <= told | {"config"}, written - told
    assert told <= written, told - written
    for error in ErrorClass:
        assert f"`{error}`" in section


def test_the_layers_are_the_documented_ones() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()
    table = architecture.split("## Layers")[1].split("\n## ")[0]
    told = {
        name
        for row in re.findall(r"^\| -?\d \| ([^|]+) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    present = {path.stem for path in (ROOT / "dispatchd").iterdir() if path.name != "py.typed"}
    assert told == present - {"__init__", "__main__", "__pycache__"}
