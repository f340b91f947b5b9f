"""Documents that a proof needs from elsewhere, from a URL that is pinned. Pure.

A check says which one it wants and of what kind; its owner fetches and caches, within bounds.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, runtime_checkable

from dispatchd.frozen import frozen
from dispatchd.verify import decode
from dispatchd.verify.inbound import Check, Inbound


@frozen
class PinnedKind:
    """What is fetched, and how long it serves.

    It is fetched anew after `fresh_s`, and where that fails it serves until it is `stale_s` old.
    `named_by_sender` says that the sender chooses the URL's last part: such names wait in one
    line. `is_one` tells it from an error page.
    """

    name: str
    fresh_s: float
    stale_s: float
    named_by_sender: bool
    is_one: Callable[[bytes], bool]


class Pinned(NamedTuple):
    """A document behind a pinned URL; `anew` says that the one at hand is not enough."""

    url: str
    kind: PinnedKind
    anew: bool = False


class PinnedSource(Protocol):
    """Where pinned documents come from; its owner fetches and caches."""

    def get(self, url: str) -> bytes | None:
        """Return what is behind a pinned URL, or None when it is not at hand."""

    def roots(self) -> bytes:
        """Return what is trusted, as PEM: roots, and intermediates that a provider leaves out."""


@runtime_checkable
class PinnedCheck(Check, Protocol):
    """A check that needs a pinned document for some requests."""

    def pinned(self, sender: Inbound) -> Pinned | None:
        """Return what `check` will want; None for a request that it refuses without."""


def _is_certificate(document: bytes) -> bool:
    return b"-----BEGIN CERTIFICATE-----" in document


def _is_key_set(document: bytes) -> bool:
    try:
        value = decode.json_document(document)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("keys"), list)


# A certificate's own dates say whether it is still good, and are checked; a key has none.
CERTIFICATE: Final = PinnedKind(
    "certificate", 86_400.0, float("inf"), named_by_sender=True, is_one=_is_certificate
)
KEY_SET: Final = PinnedKind("key_set", 3600.0, 86_400.0, named_by_sender=False, is_one=_is_key_set)
