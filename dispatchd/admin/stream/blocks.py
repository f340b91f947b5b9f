"""Server-sent events as bytes. Pure.

Source: html.spec.whatwg.org, section 9.2.6. A line ends with CR, LF or both and nothing else
does, so whatever holds one is spelled in several lines of `data`, and is no id and no name.
"""

import re
from typing import Final

_BREAKS: Final = re.compile(rb"\r\n|\r|\n")
RETRY_MS: Final = 2000  # how long a browser waits before it connects again


def block(name: str, data: bytes, event_id: str | None = None) -> bytes:
    """Return one event. Raises ValueError for a name or an id that is no word."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_BREAKS.split(data))
    last = b"" if event_id is None else _line("id", event_id)
    return b"%sdata: %s\n%s\n" % (_line("event", name), data, last)


def passed(event_id: str) -> bytes:
    """Return what moves a client's last event id on, and is no event. Raises ValueError."""
    return _line("id", event_id) + b"\n"


def greeting(event_id: str) -> bytes:
    """Return what a stream begins with: where it begins, and when to come back."""
    return b"retry: %d\n" % RETRY_MS + passed(event_id)


HEARTBEAT: Final = b": alive\n\n"


def _line(field: str, word: str) -> bytes:
    if not word.isprintable():  # no line break is, nor NUL
        raise ValueError(f"{field} holds a line break: {word!r}")
    return f"{field}: {word}\n".encode()
