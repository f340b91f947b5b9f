"""Which headers carry what authenticates a sender: never stored, logged or shown."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import compress
from typing import Final

NAME_MAX_CHARS: Final = 128  # a longer one is nobody's, and not worth searching

# Parts of a name where they tell enough by themselves, else whole words of it: X-Otp is one,
# X-Hotplug is not.
_SECRET: Final = re.compile(
    r"authoriz|cookie|signature|hmac|token|secret|passw|credential|jwt|oidc|assertion|session"
    r"|api-?_?key|^x-auth(?!ors?(?:-|$))|^x-.*-auth$|(?<!event)(?<!idempotency)-key$"
    r"|pass(?:phrase|code|key)|^x-trello-webhook$"
    r"|(?:^|[-_])(?:(?:user)?pass|[th]?otp|sign|sig)(?:[-_]|$)",
    re.IGNORECASE,
)

# Where a proxy, or a browser, writes the URL that was asked for.
_URL: Final = re.compile(
    r"referer|(?:x-)?(?:original|forwarded|rewrite|request|envoy-original)-(?:ur[il]|path)",
    re.IGNORECASE,
)


def is_secret_header(name: str) -> bool:
    """Whether a header may carry what authenticates its sender: never stored, logged or shown.

    Judged by name, generously: an unknown provider's `X-Acme-Token` must not reach the disk
    because nobody listed it.
    """
    return len(name) > NAME_MAX_CHARS or _is_secret(name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


@lru_cache(maxsize=1024)
def _is_storable(name: str) -> bool:
    return not _is_secret(name)


def without_secrets(headers: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers but for those that may carry what authenticates somebody."""
    names = [name for name, _ in headers]
    if max(map(len, names), default=0) > NAME_MAX_CHARS:
        return [pair for pair in headers if not is_secret_header(pair[0])]
    return [*compress(headers, map(_is_storable, names))]


def storable_headers(
    headers: Mapping[str, str], besides: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the headers that may be kept, in order, duplicates included.

    `besides` are further ones that authenticate, in lower case: those of the endpoint's scheme.
    """
    kept = without_secrets(headers.items())
    if "?" in "".join(headers.values()):  # hardly ever
        kept = [(name, without_query(name, value)) for name, value in kept]
    if besides:
        kept = [pair for pair in kept if pair[0].lower() not in besides]
    return tuple(kept)


def without_query(name: str, value: str) -> str:
    """Return a header's value, of a URL what stands before its query: a token may be in that."""
    return value.partition("?")[0] if _URL.fullmatch(name) else value


def headers_named(
    headers: Mapping[str, str], names: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Return the headers of these names (in lower case), in order, duplicates included."""
    return tuple((k, v) for k, v in headers.items() if k.lower() in names)
