"""What makes a webhook the same as an earlier one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from dispatchd.match import at_path
from dispatchd.store.base import Idempotency
from dispatchd.verify import Verifier, is_secret_header

KEY_MAX_CHARS: Final = 200  # longer ones, and secret ones, are kept as their SHA-256

FLOATS_EXACT_BELOW: Final = 2.0**53


@dataclass(frozen=True, slots=True)
class IdempotencyRule:
    """Where an endpoint's key stands, how long it counts, and what a duplicate is answered.

    With neither `header` nor `path` it is the provider's delivery id, `webhook-id` or
    `Idempotency-Key`.
    """

    header: str | None
    path: tuple[str, ...]
    window_ms: int
    on_duplicate: Literal["reject", "accept"]

    def of(
        self,
        headers: Mapping[str, str],
        document: Any,
        verifier: Verifier,
        now_ms: int,
        *,
        body: bytes,
    ) -> Idempotency | None:
        """Return what to remember of an event; None where it carries no key."""
        key: Any
        if self.header is not None:
            key = headers.get(self.header)
        elif self.path:
            key = at_path(document, self.path)
            if isinstance(key, float) and abs(key) >= FLOATS_EXACT_BELOW:
                # Perhaps an integer beyond 64 bits, whose neighbours are the same float.
                key = at_path(_exact(body), self.path)
        else:
            key = verifier.delivery_id(headers, document)  # type: ignore[arg-type]  # a multi-mapping
        if isinstance(key, (int, float)) and not isinstance(key, bool):
            key = str(key)
        if not isinstance(key, str) or not key:
            return None
        hidden = self.header is not None and is_secret_header(self.header)
        if hidden or len(key) > KEY_MAX_CHARS or not key.isprintable():
            digest = hashlib.sha256(key.encode("utf-8", "surrogatepass"))
            key = f"sha256:{digest.hexdigest()}"
        return Idempotency(key, now_ms + self.window_ms)


def _exact(body: bytes) -> Any:
    """Read a body with its integers as they are; None where that cannot be done.

    Then there is no key: better an event twice than none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
