"""A message in normal form: what is said to people, before any platform's own terms.

All of it is plain text: whoever composes a request escapes it for the platform, so that nothing
in it is ever markup. What is too long is cut there too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What kind of news it is: gives a message its colour."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


COLOURS: Final[Mapping[Kind, int]] = {  # 0xRRGGBB
    Kind.INFO: 0x2F81F7,
    Kind.SUCCESS: 0x2DA44E,
    Kind.WARNING: 0xD29922,
    Kind.FAILURE: 0xCF222E,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One fact with its name."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Message:
    """What to say. `description` may have several lines, everything else has one.

    `url` is where the title leads; whoever composes drops what is no plain http(s) URL. `colour`
    (0xRRGGBB) stands in place of its kind's.
    """

    title: str
    description: str = ""
    url: str | None = None
    fields: tuple[Field, ...] = ()
    kind: Kind = Kind.INFO
    footer: str = ""
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What to say in one type's own terms, as a template has it: its texts are escaped already."""

    type: str
    tree: Any


Said = Message | Terms
