"""docs/commands.md has every variable, and examples that are good."""

import re
from pathlib import Path

import pytest
from nouns import an_event

from dispatchd.compose.command import event_variables
from dispatchd.config import Config, parse
from dispatchd.model import Delivery, DeliveryStatus

DOCS = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def test_the_variables_are_those_that_there_are() -> None:
    event = an_event()
    delivery = Delivery(event.id, "deploy", DeliveryStatus.QUEUED, 0, 0, 0, event.received_ms)
    told = re.findall(r"^\| `(DISPATCH_[A-Z_]+)` \|", DOCS, re.MULTILINE)
    assert sorted(told) == sorted(event_variables(event, delivery, None))


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL))
def test_the_examples_are_good(text: str) -> None:
    assert isinstance(parse(text, environ={}), Config)
