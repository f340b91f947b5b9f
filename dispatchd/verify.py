"""Is this webhook genuine? Every signature rule lives here; it also signs. Pure.

A scheme is a row of data. Headers are looked up case-insensitively by the mapping handed in;
secrets and digests are compared as bytes in constant time; whatever is malformed is simply
not genuine, never an exception.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol


class Headers(Protocol):
    """A case-insensitive multi-mapping, as aiohttp hands it in."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Return every value of `key`."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign: HMAC-SHA256 of the raw body, hex, behind `prefix`, in `header`.

    Source: GitHub's "Validating webhook deliveries"; the Dispatch header is the same scheme.
    """

    name: str
    header: str
    prefix: str


GENERIC: Final = (
    Scheme("github", "X-Hub-Signature-256", "sha256="),
    Scheme("dispatch", "X-Dispatch-Signature", "sha256="),
)

API_KEY_PREFIX: Final = "dsp_"
_HEX_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as the config knows it: its name and the SHA-256 of the whole key."""

    name: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Genuine:
    """Proven; `by` says how, in words fit for a log line: `github[0]` is its first secret."""

    by: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not proven; `code` is the API's error code, `message` is safe to show to a sender."""

    code: str
    message: str


def sign(secret: bytes, body: bytes) -> str:
    """Return the value of `X-Dispatch-Signature` for `body`."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def hash_api_key(key: str) -> str:
    """Return the form of an API key that the config keeps: `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def verify(
    headers: Headers,
    body: bytes,
    *,
    secrets: Sequence[bytes],
    api_keys: Sequence[ApiKey],
    schemes: Sequence[Scheme] = GENERIC,
    open_to_all: bool = False,
) -> Genuine | Rejected:
    """Prove who sent `body`.

    Every signature header that is present must be right, also beside a right API key; without
    one, an API key must be. `open_to_all` is the endpoint's explicit `auth: none`.
    """
    if open_to_all:
        return Genuine("none")
    proof: str | None = None
    for scheme in schemes:
        values = headers.getall(scheme.header, [])
        if not values:
            continue
        index = _matching_secret(scheme, values, secrets, body)
        if index is None:
            return Rejected("invalid_signature", f"{scheme.header} does not match the body")
        proof = proof or f"{scheme.name}[{index}]"
    if proof is not None:
        return Genuine(proof)
    return _verify_api_key(headers, api_keys)


def _matching_secret(
    scheme: Scheme, values: list[str], secrets: Sequence[bytes], body: bytes
) -> int | None:
    """Return which secret signed `body`; None when none did or the header is malformed."""
    if len(values) != 1 or not values[0].startswith(scheme.prefix):
        return None
    text = values[0][len(scheme.prefix) :]
    if not _HEX_SHA256.fullmatch(text):
        return None
    given = bytes.fromhex(text)
    found: int | None = None
    for index, secret in enumerate(secrets):  # all of them: time must not tell which one matched
        if hmac.compare_digest(hmac.digest(secret, body, "sha256"), given) and found is None:
            found = index
    return found


def _verify_api_key(headers: Headers, api_keys: Sequence[ApiKey]) -> Genuine | Rejected:
    values = headers.getall("Authorization", [])
    if not values:
        return Rejected("unauthenticated", "a signature header or an API key is required")
    kind, _, key = values[0].partition(" ")
    key = key.strip()
    if len(values) == 1 and kind.lower() == "bearer" and key.startswith(API_KEY_PREFIX):
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        found: str | None = None
        for api_key in api_keys:
            if hmac.compare_digest(api_key.sha256, digest):
                found = api_key.name
        if found is not None:
            return Genuine(f"api_key:{found}")
    return Rejected("invalid_api_key", "the API key is not known")


_SECRET_HEADERS: Final = re.compile(
    r"authoriz|cookie|signature|hmac|token|secret|password|passwd|api-?_?key|credential"
    r"|^x-auth|-sig$|^x-.*-auth$",
    re.IGNORECASE,
)


@lru_cache(maxsize=1024)
def is_secret_header(name: str) -> bool:
    """Whether a header may carry what authenticates its sender: never stored, logged or shown.

    Judged by name, generously: an unknown provider's `X-Acme-Token` must not reach the disk
    because nobody listed it.
    """
    return _SECRET_HEADERS.search(name) is not None


def storable_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers that may be kept, in order, duplicates included."""
    return tuple((k, v) for k, v in headers.items() if not is_secret_header(k))
