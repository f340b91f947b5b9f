"""The keys of JSON Web Tokens: secrets, public keys, and key sets (RFC 7517, RFC 7518, RFC 8037).

A key knows the algorithms that it may be used with, and a token's `alg` only chooses among them:
a public key is never a secret, and `none` is no algorithm. `cryptography` is imported on first
use: it costs memory.
"""

import hmac
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dispatchd.verify import decode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

HMAC: Final = ("HS256", "HS384", "HS512")
RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ED25519: Final = ("EdDSA", "Ed25519")
_CURVES: Final = {  # by their name in cryptography: in a key set, the algorithm, bytes of a number
    "secp256r1": ("P-256", "ES256", 32),
    "secp384r1": ("P-384", "ES384", 48),
    "secp521r1": ("P-521", "ES512", 66),
}
PUBLIC: Final = (*RSA, *(algorithm for _, algorithm, _ in _CURVES.values()), *ED25519)
ALGORITHMS: Final = (*HMAC, *PUBLIC)
KEYS_MAX: Final = 64  # in a set; the largest known have twenty
_RSA_BITS: Final = (2048, 8192)  # the larger, the longer a stranger keeps a processor busy
_EXPONENT_MAX: Final = 2**32


class JwtKey(NamedTuple):
    """A key; `check(algorithm, message, signature)` says whether it signed."""

    kid: str | None
    algorithms: frozenset[str]
    check: Callable[[str, bytes, bytes], bool]


def secret_key(secret: bytes) -> JwtKey:
    """Return the key for an HMAC with a shared secret as it is."""
    if not secret:
        raise ValueError("a secret is empty")

    def check(algorithm: str, message: bytes, signature: bytes) -> bool:
        right = hmac.digest(secret, message, f"sha{algorithm[2:]}")
        return hmac.compare_digest(right, signature)

    return JwtKey(None, frozenset(HMAC), check)


def pem_key(text: str) -> JwtKey:
    """Return the key of a PEM `PUBLIC KEY`. Raises ValueError, which holds nothing of it."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - memory, see above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - likewise
        load_pem_public_key,
    )

    try:
        return _public(load_pem_public_key(text.strip().encode("ascii")), None)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "a public_key is no PEM of an RSA (2048 bits and more), P-256, P-384, P-521 or"
            " ed25519 public key; it begins with -----BEGIN PUBLIC KEY-----"
        ) from None


def key_set(document: bytes) -> tuple[JwtKey, ...]:
    """Return the public keys of a JWK set that can sign; whatever else it holds is passed over."""
    return tuple(_fit(_listed(document)))


def key_names(document: bytes) -> frozenset[str | None]:
    """Return the kids in a JWK set, None for keys that have none; the keys are not looked at."""
    kids = [jwk.get("kid") for jwk in _listed(document) if isinstance(jwk, dict)]
    return frozenset(kid for kid in kids if kid is None or isinstance(kid, str))


def _listed(document: bytes) -> list[Any]:
    try:
        value = decode.json_document(document)
    except ValueError:
        return []
    listed = value.get("keys") if isinstance(value, dict) else None
    return listed[:KEYS_MAX] if isinstance(listed, list) else []


def _fit(listed: list[Any]) -> Iterator[JwtKey]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - memory, see above

    for jwk in listed:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        operations, kid = jwk.get("key_ops"), jwk.get("kid")
        if isinstance(operations, list) and "verify" not in operations:
            continue
        if kid is not None and not isinstance(kid, str):
            continue
        try:
            key = _public(_read(jwk), kid)
        except (ValueError, UnsupportedAlgorithm):
            continue
        said = jwk.get("alg")  # one of its own kind's, or it can sign nothing here
        if said is not None:
            key = key._replace(algorithms=key.algorithms.intersection([str(said)]))
        if key.algorithms:
            yield key


def _read(jwk: dict[str, Any]) -> object:
    """Return the public key that a JWK describes; never a symmetric one. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - likewise
        Ed25519PublicKey,
    )

    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            exponent, modulus = _number(jwk, "e"), _number(jwk, "n")
            if exponent > _EXPONENT_MAX or modulus.bit_length() > _RSA_BITS[1]:
                raise ValueError("too large")
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        case "EC", "P-256":
            curve: ec.EllipticCurve = ec.SECP256R1()
        case "EC", "P-384":
            curve = ec.SECP384R1()
        case "EC", "P-521":
            curve = ec.SECP521R1()
        case "OKP", "Ed25519":
            return Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x"))
        case _:
            raise ValueError("not of a kind that is known")
    return ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curve).public_key()


def _bytes(jwk: dict[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise ValueError("missing")  # noqa: TRY004 - a stranger's mistake
    return decode.base64url_bytes(value)


def _number(jwk: dict[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(jwk, name))


def _public(key: object, kid: str | None) -> JwtKey:
    """Return a public key with the algorithms of its kind. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - likewise
        Ed25519PublicKey,
    )

    low, high = _RSA_BITS
    if isinstance(key, rsa.RSAPublicKey) and low <= key.key_size <= high:
        return JwtKey(kid, frozenset(RSA), partial(_by_rsa, key))
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        _, algorithm, size = _CURVES[key.curve.name]
        return JwtKey(kid, frozenset({algorithm}), partial(_by_curve, key, size))
    if isinstance(key, Ed25519PublicKey):
        return JwtKey(kid, frozenset(ED25519), partial(_by_ed25519, key))
    raise ValueError("not of a kind that is known")


def _by_rsa(key: "RSAPublicKey", algorithm: str, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - likewise

    hashed = _hash(algorithm)
    way: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm.startswith("PS"):  # the salt is as long as the hash: RFC 7518, section 3.5
        way = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
    try:
        key.verify(signature, message, way, hashed)
    except InvalidSignature:
        return False
    return True


def _by_curve(
    key: "EllipticCurvePublicKey", size: int, algorithm: str, message: bytes, signature: bytes
) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415 - likewise

    if len(signature) != 2 * size:  # both numbers in full length: RFC 7518, section 3.4
        return False
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    try:
        key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(_hash(algorithm)))
    except InvalidSignature:
        return False
    return True


def _by_ed25519(key: "Ed25519PublicKey", _algorithm: str, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above

    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _hash(algorithm: str) -> "hashes.HashAlgorithm":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - memory, see above

    if algorithm.endswith("256"):
        return hashes.SHA256()
    return hashes.SHA384() if algorithm.endswith("384") else hashes.SHA512()
