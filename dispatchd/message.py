"""A message in normal form: what is said to people, before any platform's own terms.

All of it is plain text: whoever composes a request escapes it for the platform, so that nothing
in it is ever markup. What is too long is cut there too.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from dispatchd.frozen import frozen

ZERO_WIDTH: Final = "\u200b"  # stands between two characters that together would mean something
# Controls but for line feed and tab, what turns the direction of writing, and what is invisible
# and joins nothing.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)


def without_hidden(text: str) -> str:
    """Drop what nobody sees and a screen obeys; line feeds and tabs stay."""
    return _HIDDEN.sub("", text)


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


@frozen
class Field:
    """One fact with its name."""

    name: str
    value: str


@frozen
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


@frozen
class Terms:
    """What to say in one type's own terms, as a template has it: its texts are escaped already."""

    type: str
    tree: Any


Said = Message | Terms
