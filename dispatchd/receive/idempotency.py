"""What makes a webhook the same as an earlier one."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from dispatchd.frozen import frozen
from dispatchd.reading.content import Content
from dispatchd.store.base import Idempotency
from dispatchd.verify import Verifier, is_secret_header

KEY_MAX_CHARS: Final = 200  # longer ones, and secret ones, are kept as their SHA-256


@frozen
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
        self, headers: Mapping[str, str], content: Content, verifier: Verifier, now_ms: int
    ) -> Idempotency | None:
        """Return what to remember of an event; None where it carries no key.

        A number that cannot be read exactly is none: better an event twice than none.
        """
        key: Any
        if self.header is not None:
            key = headers.get(self.header)
        elif self.path:
            key = content.exact
        else:
            key = verifier.delivery_id(headers, content.document)  # type: ignore[arg-type]  # a multi-mapping
        if isinstance(key, (int, float)) and not isinstance(key, bool):
            key = str(key)
        if not isinstance(key, str) or not key:
            return None
        hidden = self.header is not None and is_secret_header(self.header)
        if hidden or len(key) > KEY_MAX_CHARS or not key.isprintable():
            digest = hashlib.sha256(key.encode("utf-8", "surrogatepass"))
            key = f"sha256:{digest.hexdigest()}"
        return Idempotency(key, now_ms + self.window_ms)
