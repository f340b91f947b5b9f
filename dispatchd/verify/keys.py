"""Keys: from what the config holds to a function that says whether a signature is theirs.

`cryptography` is imported only when a public key is configured: it costs memory on a small VM.
"""

import hmac
from collections.abc import Callable, Sequence
from typing import Final

from dispatchd.verify.decode import base64_bytes, hex_bytes

Key = Callable[[bytes, Sequence[bytes]], bool]
"""`key(message, signatures)`: whether it made one of them, in constant time."""

DIGEST_BYTES: Final = {"sha256": 32, "sha1": 20, "sha512": 64}
ED25519_KEY_BYTES: Final = 32
ED25519_SIGNATURE_BYTES: Final = 64
_WHSEC: Final = b"whsec_"
_WHPK: Final = "whpk_"
_WHSEC_BYTES: Final = (24, 64)  # the Standard Webhooks specification


def hmac_key(secret: bytes, algorithm: str) -> Key:
    """Return the key for an HMAC with `secret` as it is."""
    if not secret:
        raise ValueError("a secret is empty")
    # The message is hashed once: a stranger chooses how many signatures there are.
    return lambda message, signatures: _is_among(
        hmac.digest(secret, message, algorithm), signatures
    )


def token_key(secret: bytes) -> Key:
    """Return the key for a scheme that sends the secret itself."""
    if not secret:
        raise ValueError("a secret is empty")
    return lambda _, signatures: _is_among(secret, signatures)


def _is_among(right: bytes, signatures: Sequence[bytes]) -> bool:
    """Whether one is right. All are compared, so that time does not tell which one is."""
    return sum([hmac.compare_digest(right, signature) for signature in signatures]) > 0


def is_signing_secret(secret: bytes) -> bool:
    """Whether a secret is a Standard Webhooks one by its looks."""
    return secret.startswith(_WHSEC)


def signing_secret(secret: bytes) -> bytes:
    """Decode a Standard Webhooks secret: base64, padded or not, with or without `whsec_`."""
    try:
        key = base64_bytes(secret.removeprefix(_WHSEC).decode("ascii"), padding=False)
    except ValueError:
        raise ValueError("a secret is not base64 behind its whsec_") from None
    low, high = _WHSEC_BYTES
    if not low <= len(key) <= high:
        raise ValueError(f"a whsec_ secret must be {low} to {high} bytes, not {len(key)}")
    return key


def ed25519_key(public_key: str) -> Key:
    """Return the key for an ed25519 public key: hex (Discord), or base64 behind `whpk_`."""
    raw = _public_bytes(public_key)
    from cryptography.exceptions import (  # noqa: PLC0415 - memory, see above
        InvalidSignature,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - likewise
        Ed25519PublicKey,
    )

    key = Ed25519PublicKey.from_public_bytes(raw)

    def check(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return lambda message, signatures: any(check(message, s) for s in signatures)


def _public_bytes(public_key: str) -> bytes:
    try:
        if public_key.startswith(_WHPK):
            raw = base64_bytes(public_key.removeprefix(_WHPK), padding=False)
        else:
            raw = hex_bytes(public_key)
    except ValueError:
        raw = b""
    if len(raw) != ED25519_KEY_BYTES:
        raise ValueError("a public_key is neither 64 hex digits nor whpk_ and 32 bytes of base64")
    return raw


def matching(keys: Sequence[Key], message: bytes, signatures: Sequence[bytes]) -> int | None:
    """Return which key made one of the signatures.

    All are tried, so that time does not tell which one matched.
    """
    found: int | None = None
    for index, key in enumerate(keys):
        if key(message, signatures) and found is None:
            found = index
    return found
