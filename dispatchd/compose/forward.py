"""Which of a sender's own headers go along to a destination, and how."""

import re
from collections.abc import Callable, Collection
from functools import lru_cache, partial
from typing import Any, Final

from dispatchd.framing import FRAMING, PROXY
from dispatchd.model import Event
from dispatchd.strangers import utf8

# Of one connection or one request alone (RFC 9110 sections 7.6.1 and 7.8, RFC 9113 section 3.1),
# or said by the courier in its own way.
NEVER: Final = (
    FRAMING
    | PROXY
    | {
        "accept-encoding",
        "content-encoding",
        "content-type",
        "http2-settings",
        "proxy-authenticate",
        "proxy-authentication-info",
    }
)
# They tell of the way to dispatchd, not of the way to the destination; and of who asks.
IN_FULL_ONLY: Final = frozenset({"forwarded", "user-agent", "via", "x-real-ip"})
PATH_PREFIX: Final = "x-forwarded-"
# No sender needs them in a header, and they could not be sent on.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
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
        self._made_of = (in_full, globs, proves, ours, prefix)
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as what it was made of."""
        in_full, globs, proves, ours, prefix = self._made_of
        return partial(Forwarding, ours=ours, prefix=prefix), (in_full, globs, proves)

    def headers(self, event: Event) -> list[tuple[str, str]]:
        """Return the headers of `event` that go along, as they came.

        Those that prove the sender are kept apart; one goes only where it is named in full, for
        it may be kept for another destination's sake.
        """
        goes = self._goes
        lines = [line for line in event.headers if goes(line[0])]
        if event.forward_headers:
            named = self._in_full
            lines += [line for line in event.forward_headers if line[0].lower() in named]
        listed = _listed_by_connection(event.headers)
        if listed:
            lines = [line for line in lines if line[0].lower() not in listed]
        return [(n, text) for n, value in lines if (text := sendable(value)) is not None]


def sendable(value: str) -> str | None:
    """Return a header's value as it can be sent; None where it cannot.

    Bytes that were no UTF-8 are sent as `?`, as which they are kept too.
    """
    if not value.isascii():
        value = utf8(value)
    return value if value.isprintable() or not _CONTROLS.search(value) else None


def _listed_by_connection(headers: tuple[tuple[str, str], ...]) -> Collection[str]:
    """Return what a sender's `Connection` says to be of its connection alone."""
    return {
        option.strip().lower()
        for name, value in headers
        if len(name) == len("connection") and name.lower() == "connection"
        for option in value.split(",")
    }
