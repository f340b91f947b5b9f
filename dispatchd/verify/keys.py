"""Keys: from what the config holds to a function that says whether a signature is theirs.

`cryptography` is imported only when a public key is configured: it costs memory on a small VM.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final

from dispatchd.verify.decode import base64_bytes, hex_bytes

Key = Callable[[bytes, Sequence[bytes]], bool]
"""`key(message, signatures)`: whether it made one of them, in constant time."""
Maker = Callable[[bytes], bytes]
"""`maker(message)` returns its signature."""

PUBLIC_ALGORITHMS: Final = ("ed25519", "ecdsa-p256", "rsa-sha256")
# Of the algorithms whose signatures are all of one length.
SIGNATURE_BYTES: Final = {"sha256": 32, "sha1": 20, "sha384": 48, "sha512": 64, "ed25519": 64}
ED25519_KEY_BYTES: Final = 32
P256_NUMBER_BYTES: Final = 32
RSA_BITS_MAX: Final = 8192  # checking with a longer key takes milliseconds
_WHSEC: Final = b"whsec_"
_WHSK: Final = b"whsk_"
_WHPK: Final = "whpk_"
_WHSEC_BYTES: Final = (24, 64)  # the Standard Webhooks specification


def hmac_key(secret: bytes, algorithm: str) -> Key:
    """Return the key for an HMAC with `secret` as it is."""
    if not secret:
        raise ValueError("a secret is empty")
    sign = _signer(secret, algorithm)
    # The message is hashed once: a stranger chooses how many signatures there are.
    return lambda message, signatures: _is_among(sign(message), signatures)


def hmac_maker(secret: bytes, algorithm: str) -> Maker:
    """Return what signs with `secret` as it is."""
    if not secret:
        raise ValueError("a secret is empty")
    return _signer(secret, algorithm)


def _signer(secret: bytes, algorithm: str) -> Maker:
    """Return what signs; the secret is hashed here, and OpenSSL finds its algorithm, once."""
    whole: Any = hmac.new(secret, digestmod=algorithm)
    begun = getattr(whole, "_hmac", None) or whole  # OpenSSL's own, without Python's around it

    def sign(message: bytes) -> bytes:
        made = begun.copy()
        made.update(message)
        digest: bytes = made.digest()
        return digest

    return sign


def token_key(secret: bytes) -> Key:
    """Return the key for a scheme that sends the secret itself."""
    if not secret:
        raise ValueError("a secret is empty")
    return lambda _, signatures: _is_among(secret, signatures)


def _is_among(right: bytes, signatures: Sequence[bytes]) -> bool:
    """Whether one is right. All are compared, so that time does not tell which one is."""
    if len(signatures) == 1:  # nearly always
        return hmac.compare_digest(right, signatures[0])
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


def decoded_secret(secret: bytes, spelled: str) -> bytes:
    """Decode a secret that is written as `hex` or `base64`. Raises ValueError."""
    try:
        text = secret.decode("ascii")
        return hex_bytes(text) if spelled == "hex" else base64_bytes(text, padding=False)
    except ValueError:
        raise ValueError(f"a secret is not {spelled}, as its key says") from None


def public_key(text: str, algorithm: str) -> Key:
    """Return the key for a public key: ed25519 as below, the others PEM, or base64 of their DER.

    An ECDSA signature is the DER of its two numbers (RFC 3279 section 2.2.3), or those side by
    side, 32 bytes each (RFC 7518 section 3.4); an RSA one is PKCS #1 v1.5 (RFC 8017).
    """
    if algorithm == "ed25519":
        return ed25519_key(text)
    from cryptography.exceptions import (  # noqa: PLC0415 - memory, see above
        InvalidSignature,
    )
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - likewise
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils  # noqa: PLC0415

    key = _loaded(text)
    if algorithm == "ecdsa-p256":
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise ValueError("a public_key is none of ECDSA on the curve P-256")
        curve_key = key

        def verify(signature: bytes, message: bytes) -> None:
            if len(signature) == 2 * P256_NUMBER_BYTES:
                r, s = signature[:P256_NUMBER_BYTES], signature[P256_NUMBER_BYTES:]
                signature = utils.encode_dss_signature(
                    int.from_bytes(r, "big"), int.from_bytes(s, "big")
                )
            curve_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))

    else:
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size > RSA_BITS_MAX:
            raise ValueError(f"a public_key is none of RSA with at most {RSA_BITS_MAX} bits")
        rsa_key = key

        def verify(signature: bytes, message: bytes) -> None:
            rsa_key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())

    def check(message: bytes, signature: bytes) -> bool:
        try:
            verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return lambda message, signatures: any(check(message, s) for s in signatures)


def _loaded(text: str) -> object:
    """Load a public key of any kind. Raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - memory, see above
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - likewise

    try:
        if "-----BEGIN" in text:
            return serialization.load_pem_public_key(text.encode("ascii"))
        return serialization.load_der_public_key(base64_bytes("".join(text.split())))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("a public_key is neither PEM nor base64 of a DER key") from None


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


def is_private_key(secret: bytes) -> bool:
    """Whether a secret is a Standard Webhooks private key by its looks."""
    return secret.startswith(_WHSK)


def ed25519_maker(private_key: bytes) -> Maker:
    """Return what signs with an ed25519 key: base64 of its 32 bytes, or of 64, behind `whsk_`.

    64 are the key and its public half, which must be its own (the Standard Webhooks
    specification).
    """
    try:
        raw = base64_bytes(private_key.removeprefix(_WHSK).decode("ascii"), padding=False)
    except ValueError:
        raw = b""
    if len(raw) not in (ED25519_KEY_BYTES, 2 * ED25519_KEY_BYTES):
        raise ValueError("a private key is not base64 of 32 or 64 bytes behind its whsk_")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - memory
        Ed25519PrivateKey,
    )

    seed, public = raw[:ED25519_KEY_BYTES], raw[ED25519_KEY_BYTES:]
    key = Ed25519PrivateKey.from_private_bytes(seed)
    if public and public != key.public_key().public_bytes_raw():
        raise ValueError("the public half of a whsk_ key is not its own")
    return key.sign


def signing_secret_text(random: bytes) -> str:
    """Spell random bytes, 24 to 64, as a Standard Webhooks secret."""
    return _WHSEC.decode() + b64encode(random).decode()


def private_key_text(seed: bytes) -> tuple[str, str]:
    """Spell an ed25519 key of 32 random bytes: itself (`whsk_`), and its public half (`whpk_`)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - memory
        Ed25519PrivateKey,
    )

    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return _WHSK.decode() + b64encode(seed + public).decode(), _WHPK + b64encode(public).decode()


def matching(keys: Sequence[Key], message: bytes, signatures: Sequence[bytes]) -> int | None:
    """Return which key made one of the signatures.

    All are tried, so that time does not tell which one matched.
    """
    if len(keys) == 1:  # nearly always
        return 0 if keys[0](message, signatures) else None
    found: int | None = None
    for index, key in enumerate(keys):
        if key(message, signatures) and found is None:
            found = index
    return found
