"""The config's JSON Schema, as check-jsonschema and the editors beside it read it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dispatchd.config import json_schema
from dispatchd.hints import HINTS
from dispatchd.hints.telling import config_text
from dispatchd.verify import provider_names

ROOT = Path(__file__).parents[2]
CHECKER = [sys.executable, "-m", "check_jsonschema"]
CONFIGS = [
    ROOT / "config.example.yaml",
    ROOT / "packaging" / "deb" / "config.yaml",
    ROOT / "packaging" / "docker" / "config.yaml",
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "dispatchd.schema.json"
    path.write_text(json.dumps(json_schema()))
    return path


def check(*args: object) -> subprocess.CompletedProcess[str]:
    command = [*CHECKER, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_a_schema(schema):
    ran = check("--check-metaschema", schema)
    assert ran.returncode == 0, ran.stdout


def test_what_is_shipped_is_valid(schema, tmp_path):
    readme = (ROOT / "README.md").read_text()
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    ):
        (tmp_path / f"readme-{number}.yaml").write_text(block)
    assert any(tmp_path.iterdir())
    for name in HINTS:
        (tmp_path / f"{name}.yaml").write_text(config_text(name))
    # Whatever is switched on in the example is a config, too.
    text = CONFIGS[0].read_text()
    (tmp_path / "example.yaml").write_text(re.sub(r"^( *)#(?=\S)", r"\1", text, flags=re.MULTILINE))
    ran = check("--schemafile", schema, *CONFIGS, *tmp_path.iterdir())
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("endpoints: {a: {provider: githubb, secret: x}}", "provider"),
        ("endpoints: {a: {secrett: x}}", "secrett"),
        ("server: {max_connections: lots}", "max_connections"),
        ("storage: {retention: {events: soon}}", "retention"),
        ("destinations: {d: {url: 'http://x', on_failed: stop}}", "destinations"),
    ],
)
def test_what_is_wrong_is_found(schema, tmp_path, text, path):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    ran = check("--schemafile", schema, config)
    assert (ran.returncode, path in ran.stdout) == (1, True), ran.stdout


def test_every_provider_may_be_written_and_so_may_a_reference(schema, tmp_path):
    config = tmp_path / "config.yaml"
    names = [*provider_names(), "${PROVIDER}"]
    endpoints = {f"e{n}": {"provider": name, "secret": "x"} for n, name in enumerate(names)}
    config.write_text(json.dumps({"endpoints": endpoints}))
    ran = check("--schemafile", schema, config)
    assert ran.returncode == 0, ran.stdout
