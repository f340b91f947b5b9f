"""What schemes by certificate have in common: RSA signatures and times in words. Pure."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def unix_s(name: str, sent: str) -> float:
    """Read a date and time as Unix time in seconds; ValueError calls it by `name`."""
    if not _RFC3339.fullmatch(sent):
        raise ValueError(f"{name} is not a date and time")
    return datetime.fromisoformat(sent).timestamp()


def signed_by(
    key: "RSAPublicKey", message: bytes, signature: bytes, algorithm: str = "sha256"
) -> bool:
    """Whether `key` made a PKCS #1 v1.5 signature, over SHA-256 or SHA-1."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - it costs memory
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - likewise
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - likewise

    way = {"sha256": hashes.SHA256, "sha1": hashes.SHA1}[algorithm]()
    try:
        key.verify(signature, message, padding.PKCS1v15(), way)
    except InvalidSignature:
        return False
    return True
