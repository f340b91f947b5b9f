"""Whether, and how, a stream is shown colours: the conventions that terminals share. Pure."""

from collections.abc import Mapping
from typing import Final

STYLES: Final = {
    "dim": "\x1b[2m",
    "bold": "\x1b[1m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "red": "\x1b[31m",
}
PLAIN: Final = "\x1b[0m"


def wants_colour(environ: Mapping[str, str], *, is_tty: bool) -> bool:
    """Whether to write colours: NO_COLOR says no, else FORCE_COLOR yes, else a terminal does.

    CLICOLOR_FORCE is another word for FORCE_COLOR, and CLICOLOR=0 is a no to terminals.
    Sources: no-color.org, force-color.org, bixense.com/clicolors. An empty variable says nothing.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return is_tty and environ.get("TERM") != "dumb" and environ.get("CLICOLOR") != "0"


def without_styles(text: str) -> str:
    """Return `text` as it is seen: what `styled` added is taken away."""
    for code in (*STYLES.values(), PLAIN):
        text = text.replace(code, "")
    return text


def styled(text: str, style: str, *, colour: bool) -> str:
    """Return `text` in a style of STYLES, as it is where no colours are wanted."""
    return f"{STYLES[style]}{text}{PLAIN}" if colour else text
