"""Which headers carry what authenticates a sender: never stored, logged or shown."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

_SECRET_HEADERS: Final = re.compile(
    r"authoriz|cookie|signature|hmac|token|secret|password|passwd|api-?_?key|credential"
    r"|^x-auth|-sig$|^x-.*-auth$|(?<!event)(?<!idempotency)-key$",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def is_secret_header(name: str) -> bool:
    """Whether a header may carry what authenticates its sender: never stored, logged or shown.

    Judged by name, generously: an unknown provider's `X-Acme-Token` must not reach the disk
    because nobody listed it.
    """
    return _SECRET_HEADERS.search(name) is not None


def storable_headers(
    headers: Mapping[str, str], besides: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the headers that may be kept, in order, duplicates included.

    `besides` are further ones that authenticate, in lower case: those of the endpoint's scheme.
    """
    return tuple(
        (k, v)
        for k, v in headers.items()
        if not is_secret_header(k) and not (besides and k.lower() in besides)
    )


def headers_named(
    headers: Mapping[str, str], names: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Return the headers of these names (in lower case), in order, duplicates included."""
    return tuple((k, v) for k, v in headers.items() if k.lower() in names)
