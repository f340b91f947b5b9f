"""docs/backup.md: its commands parse, and Litestream's config is what the tests use."""

import re
from pathlib import Path

import click
import pytest
import yaml

from dispatchd.cli import cli

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "backup.md").read_text()
COMMANDS = re.findall(r"^(?:0 3 .*/usr/bin/)?dispatchd ([^#|\n]+)", TEXT, re.MULTILINE)


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("line", COMMANDS)
def test_they_parse(line: str, tmp_path: Path) -> None:
    name, *args = line.replace(" /backup ", f" {tmp_path} ").split()
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, args).close()


def test_litestreams_config_is_the_one_that_is_tested() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (database,) = yaml.safe_load(shown)["dbs"]
    (replica,) = database["replicas"]
    assert {"type", "path", "sync-interval"} <= set(replica)
    assert replica["type"] == "file"
    tested = (ROOT / "tests" / "fault" / "test_litestream.py").read_text()
    version = re.search(r"litestream@v([\d.]+)", tested)
    assert version is not None
    assert f"Litestream {version[1]} and a directory" in TEXT
