"""API keys: the project-wide alternative to a signature."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from dispatchd.verify.inbound import ApiKey, Genuine, Headers, Rejected

API_KEY_PREFIX: Final = "dsp_"


def hash_api_key(key: str) -> str:
    """Return the form of an API key that the config keeps: `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def verify_api_key(headers: Headers, api_keys: Sequence[ApiKey]) -> Genuine | Rejected:
    """Prove a sender by `Authorization: Bearer dsp_…`."""
    values = headers.getall("Authorization", [])
    if not values:
        return Rejected("unauthenticated", "a signature header or an API key is required")
    kind, _, key = values[0].partition(" ")
    key = key.strip()
    if (
        len(values) == 1
        and kind.lower() == "bearer"
        and key.startswith(API_KEY_PREFIX)
        and key.isascii()
    ):
        digest = hashlib.sha256(key.encode()).digest()
        found: str | None = None
        for api_key in api_keys:  # all of them: time must not tell which one matched
            if hmac.compare_digest(api_key.sha256, digest) and found is None:
                found = api_key.name
        if found is not None:
            return Genuine(f"api_key:{found}")
    return Rejected("invalid_api_key", "the API key is not known")
