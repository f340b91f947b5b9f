"""docs/pull.md says what the code does: fields, bounds, and how a claim ends."""

import re
from pathlib import Path

import pytest

from dispatchd.admin.api import pull, writing
from dispatchd.admin.listener import CONNECTIONS_PER_CLIENT_MAX
from dispatchd.deliver.answers import ANSWER_MAX_BYTES, ANSWERS_MAX_BYTES
from dispatchd.model import ErrorClass

DOCS = (Path(__file__).parents[2] / "docs" / "pull.md").read_text(encoding="utf-8")


def table(title: str) -> list[str]:
    """Return the rows of the table that follows a line."""
    rows = DOCS.split(title)[1].strip().split("\n\n")[0].splitlines()
    return [row for row in rows[2:] if row.startswith("|")]


def test_an_item_has_the_fields_that_are_told() -> None:
    told = {name for row in table("\nAn item:\n") for name in re.findall(r"`(\w+)`", row)}
    assert told >= set(pull.LeasedFields.__annotations__)
    names = {name for row in table("\nAn item:\n") for name in re.findall(r"`(\w+)`", row[:90])}
    assert names - {"applied", "application"} <= set(pull.LeasedFields.__annotations__)


@pytest.mark.parametrize("operation", pull.OPERATIONS, ids=lambda one: one.path)
def test_what_is_asked_has_the_fields_that_are_told(operation: pull.Operation) -> None:
    word = operation.path.rpartition("/")[2]
    (row,) = [row for row in table("announced as `application/json`.\n") if f"`{word}`" in row[:12]]
    for name in operation.body.__annotations__:
        assert f"`{name}`" in row


def test_the_bounds_are_those() -> None:
    assert f"1 to {pull.CLAIM_MAX}" in DOCS
    assert f"up to {pull.REASON_MAX_CHARS} characters" in DOCS
    assert (pull.LEASE.least_ms, pull.LEASE.most_ms) == (1000, 12 * 3_600_000)
    assert "`1s` to `12h`, `1m` unless given" in DOCS
    assert pull.LEASE.default_ms == pull.WAIT.most_ms == 60_000
    assert "up to `1m`, not at all unless given" in DOCS
    assert pull.DELAY.most_ms == 24 * 3_600_000
    assert "up to `24h`" in DOCS
    assert f"At most {pull.POLLS_MAX} claims wait" in DOCS
    assert f"at most {CONNECTIONS_PER_CLIENT_MAX} connections" in DOCS
    assert f"at most {CONNECTIONS_PER_CLIENT_MAX} claims wait" in DOCS  # each has one of its own
    assert ANSWER_MAX_BYTES == 1024 * 1024
    assert "at most 1 MiB of bodies" in DOCS
    assert f"more than {ANSWERS_MAX_BYTES // 1024**2} MiB" in DOCS
    assert (writing.STEP_BYTES, writing.STALLED_S) == (1024 * 1024, 30)
    assert "30 s for a MiB" in DOCS


def test_how_a_claim_ends_is_told_in_the_words_of_attempts() -> None:
    rows = table("recorded when it ends:\n")
    assert f"`{ErrorClass.REJECTED}`" in rows[1]
    assert f"`{ErrorClass.LEASE}`" in rows[2]
