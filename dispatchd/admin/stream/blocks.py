"""Server-sent events as bytes. Pure.

Source: html.spec.whatwg.org, section 9.2.6. A line ends with CR, LF or both and nothing else
does, so whatever holds one is spelled in several lines of `data`, and is no id and no name.
"""

import re
from typing import Final

_BREAKS: Final = re.compile(rb"\r\n|\r|\n")
_NO_WORD: Final = re.compile(r"[\r\n\0]")
RETRY_MS: Final = 2000  # how long a browser waits before it connects again


def block(name: str, data: bytes, event_id: str | None = None) -> bytes:
    """Return one event. Raises ValueError for a name or an id that is no word."""
    lines = [_line("event", name)]
    lines += [b"data: %s\n" % line for line in _BREAKS.split(data)]
    if event_id is not None:
        lines.append(_line("id", event_id))
    return b"".join(lines) + b"\n"


def passed(event_id: str) -> bytes:
    """Return what moves a client's last event id on, and is no event. Raises ValueError."""
    return _line("id", event_id) + b"\n"


def greeting(event_id: str) -> bytes:
    """Return what a stream begins with: where it begins, and when to come back."""
    return b"retry: %d\n" % RETRY_MS + passed(event_id)


HEARTBEAT: Final = b": alive\n\n"


def _line(field: str, word: str) -> bytes:
    if _NO_WORD.search(word):
        raise ValueError(f"{field} holds a line break: {word!r}")
    return f"{field}: {word}\n".encode()
