"""docs/destinations.md has every type with its keys, their defaults, and examples that are good."""

import re
from pathlib import Path

import pytest
import yaml

from dispatchd.config import TYPES, Config, json_schema, model_of, parse
from dispatchd.config.lane import LaneConfig
from dispatchd.config.reached import ReachedConfig

DOCS = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text(encoding="utf-8")
ENVIRON = {"DISCORD_WEBHOOK": "https://discord.com/api/webhooks/1/a", "NTFY_TOPIC": "t"}
SPOKEN = [name for name in TYPES if name != "webhook"]


def keys(model: type[LaneConfig]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def rows(title: str) -> dict[str, str]:
    section = DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|", section, re.MULTILINE)
    return {key: default.strip() for key, default in found}


@pytest.mark.parametrize("name", SPOKEN)
def test_each_type_has_its_keys_and_their_defaults(name: str) -> None:
    model = model_of(name)
    told = rows(name)
    assert set(told) == keys(model) - keys(ReachedConfig)
    section = json_schema()["$defs"][model.__name__]
    for key, default in told.items():
        assert (default == "required") == (key in section.get("required", [])), key
        known = section["properties"][key].get("default")
        if known is not None:
            assert yaml.safe_load(default.strip("`")) == known, key


@pytest.mark.parametrize("name", SPOKEN)
def test_each_rate_is_told(name: str) -> None:
    known = json_schema()["$defs"][model_of(name).__name__]["properties"]
    rate = known.get("rate_limit", {}).get("default")  # a queue has none
    section = DOCS.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert re.findall(r"`rate_limit` is `(.*?)` by default", section) == ([rate] if rate else [])


def test_what_all_take_is_told() -> None:
    assert set(rows("What all of them take")) == keys(ReachedConfig)


def test_the_overview_has_every_type() -> None:
    assert re.findall(r"^\| \[`([a-z]+)`\]", DOCS, re.MULTILINE) == SPOKEN


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL))
def test_the_examples_are_good(text: str) -> None:
    environ = {**ENVIRON, "SMTP_PASSWORD": "p"}
    assert isinstance(parse(text, environ=environ), Config)
