"""Whatever is done to a config file, reading it gives a Config or its problems."""

import random
from pathlib import Path

import pytest

from dispatchd.config import Config, ConfigProblems, parse

EXAMPLE = (Path(__file__).parents[2] / "config.example.yaml").read_text(encoding="utf-8")
ROUNDS = 150
SCRAPS = (
    "\0", "\t", "\n", "  ", ":", ": ", "- ", "&a ", "*a", "<<: *a\n", "!x ", "? ", "[", "]", "{",
    "}", "'", '"', "|", "#", "---\n", "${", "${X}", "$${", "${file:/}", "null", "true", "0x1f",
    "1e999", ".nan", "12:30:45", "-1", "9" * 5000, "2026-99-99", "é", "\ud800", "\u2028",
    "\ufeff", "\x85",
)  # fmt: skip


def mutate(text: str, dice: random.Random) -> str:
    for _ in range(dice.randint(1, 6)):
        at, until = sorted(dice.randrange(len(text) + 1) for _ in range(2))
        until = min(until, at + 40)
        match dice.randrange(5):
            case 0:
                text = text[:at] + text[until:]
            case 1:
                text = text[:at] + dice.choice(SCRAPS) + text[at:]
            case 2:
                text = text[:at] + text[at:until] * 2 + text[until:]
            case 3:
                text = text[:at] + dice.choice(SCRAPS) + text[until:]
            case 4:
                lines = text.split("\n")
                lines.insert(dice.randrange(len(lines)), dice.choice(lines))
                text = "\n".join(lines)
    return text


def read(text: str) -> Config | ConfigProblems:
    try:
        return parse(text, "c.yaml", {"X": "hunter2"})
    except ConfigProblems as error:
        return error


@pytest.mark.parametrize("seed", range(8))
def test_a_config_or_its_problems(seed):
    dice = random.Random(seed)
    # Uncommented, the example has every key there is.
    whole = "\n".join(
        line if line.lstrip().startswith("# ") else line.replace("#", "", 1)
        for line in EXAMPLE.split("\n")
    )
    for _ in range(ROUNDS):
        text = mutate(dice.choice((EXAMPLE, whole)), dice)
        outcome = read(text)
        if isinstance(outcome, ConfigProblems):
            assert outcome.problems
            assert "hunter2" not in str(outcome)
