"""JSON Web Tokens and key sets for tests, made with `cryptography` and not by dispatchd."""

import base64
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

CURVES = {"ES256": (ec.SECP256R1(), "P-256", 32), "ES384": (ec.SECP384R1(), "P-384", 48),
          "ES512": (ec.SECP521R1(), "P-521", 66)}  # fmt: skip
HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def signature(key: Any, algorithm: str, message: bytes) -> bytes:
    chosen = HASHES.get(algorithm[2:], hashes.SHA256())
    if isinstance(key, bytes):
        return hmac.digest(key, message, f"sha{algorithm[2:]}")
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(chosen), chosen.digest_size)
        return key.sign(message, pss if algorithm[0] == "P" else padding.PKCS1v15(), chosen)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    size = CURVES[algorithm][2]
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(chosen)))
    return r.to_bytes(size) + s.to_bytes(size)


def token(key: Any, claims: object, algorithm: str = "RS256", **head: object) -> str:
    """Sign claims; `head` is added to the token's header."""
    parts = [json.dumps({"alg": algorithm} | head).encode(), json.dumps(claims).encode()]
    message = ".".join(b64(part) for part in parts)
    return f"{message}.{b64(signature(key, algorithm, message.encode()))}"


def jwk(key: Any, kid: str | None = None, **more: object) -> dict[str, object]:
    """Return the public half of a key."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        modulus = public.public_numbers().n.to_bytes(public.key_size // 8)
        made = {"kty": "RSA", "n": b64(modulus), "e": "AQAB"}
    elif isinstance(public, ed25519.Ed25519PublicKey):
        made = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    else:
        _, curve, size = next(c for c in CURVES.values() if c[0].name == public.curve.name)
        numbers = public.public_numbers()
        made = {"kty": "EC", "crv": curve, "x": b64(numbers.x.to_bytes(size)),
                "y": b64(numbers.y.to_bytes(size))}  # fmt: skip
    return made | ({} if kid is None else {"kid": kid}) | more


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
