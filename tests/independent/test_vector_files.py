"""The vector files are what the independent implementations of today sign."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "vectors"))

import cases
import reading
from recipe import Vectors

MADE: dict[str, Vectors] = {made.document["provider"]: made for made in (m() for m in cases.ALL)}


def test_there_is_a_file_for_each_provider() -> None:
    assert set(MADE) == set(reading.PROVIDERS)


@pytest.mark.parametrize("provider", sorted(set(MADE) - {"paypal"}))
def test_a_file_is_what_generate_would_write(provider: str) -> None:
    assert (reading.HERE / f"{provider}.json").read_text() == MADE[provider].text()


def test_paypals_file_is_too_but_for_its_certificates() -> None:
    """Their keys are made afresh at each run, and sign."""
    stored = json.loads((reading.HERE / "paypal.json").read_text())
    made = MADE["paypal"].document
    assert stored["mutations"] == made["mutations"]
    assert stored["certificates"].keys() == made["certificates"].keys()

    def told(document: dict) -> list[tuple]:
        return [(c["name"], c["ok"], c["request"]["body"]) for c in document["cases"]]

    assert told(stored) == told(made)
