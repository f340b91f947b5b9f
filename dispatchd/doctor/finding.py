"""What a check found: that all is well, something worth knowing, or what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.shapes.told import DoctorFields

Figure = int | float | str | None
NO_FIGURES: Final[Mapping[str, Figure]] = MappingProxyType({})


class Verdict(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    NOTE = "note"  # worth knowing: nothing has to be done now, or nothing could be looked at
    ACT = "act"


@frozen
class Finding:
    """A line of the doctor's. `name` is what of the config it is about, `todo` what to do.

    `figures` are what was measured, by names with units. None of it ever holds a secret.
    """

    check: str
    verdict: Verdict
    said: str
    todo: str | None = None
    name: str | None = None
    figures: Mapping[str, Figure] = field(default_factory=dict)


def ok(
    check: str, said: str, *, name: str | None = None, figures: Mapping[str, Figure] = NO_FIGURES
) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, Verdict.OK, said, None, name, figures)


def note(
    check: str,
    said: str,
    todo: str | None = None,
    *,
    name: str | None = None,
    figures: Mapping[str, Figure] = NO_FIGURES,
) -> Finding:
    """Say something worth knowing."""
    return Finding(check, Verdict.NOTE, said, todo, name, figures)


def act(
    check: str,
    said: str,
    todo: str,
    *,
    name: str | None = None,
    figures: Mapping[str, Figure] = NO_FIGURES,
) -> Finding:
    """Say what is wrong, and what to do."""
    return Finding(check, Verdict.ACT, said, todo, name, figures)


def doctor_fields(found: Sequence[Finding]) -> DoctorFields:
    """Spell what was found."""
    return {
        "ok": all(finding.verdict is not Verdict.ACT for finding in found),
        "checks": [
            {
                "check": finding.check,
                "name": finding.name,
                "verdict": finding.verdict.value,
                "said": finding.said,
                "todo": finding.todo,
                "figures": dict(finding.figures),
            }
            for finding in found
        ],
    }
