"""Which of a sender's own headers go along to a destination, and how."""

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Final

from dispatchd.model import Event

# Of one connection or one request alone (RFC 9110 sections 7.6.1 and 7.8, RFC 9113 section 3.1),
# or said by the courier in its own way.
NEVER: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# They tell of the way to dispatchd, not of the way to the destination; and of who asks.
IN_FULL_ONLY: Final = frozenset({"forwarded", "user-agent", "via", "x-real-ip"})
PATH_PREFIX: Final = "x-forwarded-"
NAMES_KEPT: Final = 512  # senders choose the names: what was decided of them is bounded

Matches = Callable[[str], bool]


class Forwarding:
    """`forward_headers` of one destination, compiled. All names are in lower case.

    `in_full` are the names that are no globs, `globs` says whether one of the globs matches;
    `proves` whether a header proves its sender by its name. `ours` are the headers that the
    request has anyway, and what begins with `prefix` (`x-dispatch-`) is said by us alone, unless
    it is named in full.
    """

    def __init__(
        self,
        in_full: Collection[str],
        globs: Matches,
        proves: Matches,
        *,
        ours: Collection[str],
        prefix: str,
    ) -> None:
        never = NEVER.union(ours)
        self._in_full = frozenset(in_full) - never

        def goes(name: str) -> bool:
            name = name.lower()
            if name in self._in_full:
                return True
            if name in never or name in IN_FULL_ONLY or name.startswith((PATH_PREFIX, prefix)):
                return False
            return globs(name) and not proves(name)

        self._goes = lru_cache(NAMES_KEPT)(goes)

    def headers(self, event: Event) -> Iterator[tuple[str, str]]:
        """Yield the headers of `event` that go along, as they came.

        Those that prove the sender are kept apart; one goes only where it is named in full, for
        it may be kept for another destination's sake.
        """
        listed = _listed_by_connection(event.headers)
        for name, value in event.headers:
            if self._goes(name) and not (listed and name.lower() in listed):
                yield from _line(name, value)
        for name, value in event.forward_headers:
            low = name.lower()
            if low in self._in_full and low not in listed:
                yield from _line(name, value)


def _listed_by_connection(headers: tuple[tuple[str, str], ...]) -> Collection[str]:
    """Return what a sender's `Connection` says to be of its connection alone."""
    listed: set[str] = set()
    for name, value in headers:
        if name.lower() == "connection":
            listed.update(option.strip().lower() for option in value.split(","))
    return listed


def _line(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield a header that can be sent.

    Bytes that were no UTF-8 become `?`, as they do when they are kept; a line with control
    characters, which no sender needs, is left out.
    """
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    if not any((char < " " and char != "\t") or char == "\x7f" for char in value):
        yield name, value
