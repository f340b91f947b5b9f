"""How much of strangers' text a page shows: counted as it is put out, escaped. Pure."""

from collections.abc import Iterable
from html import escape
from typing import Final

from dispatchd.strangers import printable

CUT: Final = "…"


class Allowance:
    """So many characters for all that is asked of it; what came first is shown first."""

    def __init__(self, most_chars: int) -> None:
        self.used = 0
        self._most_chars = most_chars
        self.met = False  # something was cut, or left out

    def text(self, text: str, most_chars: int) -> str | None:
        """Return a text, or its beginning; None where nothing is left."""
        shown = text if len(text) <= most_chars else text[:most_chars] + CUT
        size = len(escape(printable(shown, lines=True)))
        if self.used + size > self._most_chars:
            self.met = True
            return None
        self.met = self.met or len(shown) != len(text)
        self.used += size
        return shown

    def pairs(
        self, pairs: Iterable[Iterable[str]], most: int, most_chars: int
    ) -> list[tuple[str, str]]:
        """Return names and values, at most so many, as far as they go."""
        shown = []
        for place, (name, value) in enumerate(pairs):
            name_shown = self.text(name, most_chars) if place < most else None
            value_shown = None if name_shown is None else self.text(value, most_chars)
            if name_shown is None or value_shown is None:
                self.met = True
                break
            shown.append((name_shown, value_shown))
        return shown
