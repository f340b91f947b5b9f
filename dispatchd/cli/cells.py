"""How many cells of a terminal a text takes."""

from unicodedata import combining, east_asian_width


def cells_wide(text: str) -> int:
    """Count the cells of a terminal: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )
