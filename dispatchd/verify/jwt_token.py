"""A signed JSON Web Token in its compact form, and what its times say (RFC 7515, RFC 7519).

What a token says of its key (`jwk`, `jku`, `x5u`, `x5c`) is never looked at: whoever forges it
writes that too. `kid` only chooses among the keys that are known.
"""

from typing import Any, Final, NamedTuple

from dispatchd.verify import decode
from dispatchd.verify.inbound import Rejected
from dispatchd.verify.scheme import stale

TOKEN_MAX_CHARS: Final = 8192
_TIME_MAX_S: Final = 1e14  # as far as whole numbers go


class Token(NamedTuple):
    """A token that nobody has proven yet; `claims` is still text, not to be read before."""

    algorithm: str
    kid: str | None
    message: bytes
    signature: bytes
    claims: str


def read_token(text: str) -> Token:
    """Take a token apart. Raises ValueError with words fit for a sender."""
    head, _, rest = text.partition(".")
    claims, dot, signature = rest.partition(".")
    if not dot or len(text) > TOKEN_MAX_CHARS:
        raise ValueError("the token is malformed")
    signed = decode.base64url_bytes(signature)
    header = _read(head)
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise ValueError("the token does not say how it is signed")  # noqa: TRY004 - a sender's
    if "crit" in header:  # it says that it means something that we do not know
        raise ValueError("the token has a critical header")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("the token's kid is no text")
    return Token(header["alg"], kid, f"{head}.{claims}".encode("ascii"), signed, claims)


def _read(part: str) -> Any:
    encoded = decode.base64url_bytes(part)
    try:
        return decode.json_document(encoded)
    except ValueError:
        raise ValueError("the token is not JSON") from None


def read_claims(token: Token) -> dict[str, Any]:
    """Return what a proven token claims. Raises ValueError."""
    claims = _read(token.claims)
    if not isinstance(claims, dict):
        raise ValueError("the token claims nothing")  # noqa: TRY004 - a sender's mistake
    return claims


def time_refusal(claims: dict[str, Any], now_s: float, tolerance_s: float) -> Rejected | None:
    """Refuse a token that has expired, or is not valid yet. Raises ValueError for what is no time.

    Whether it must expire at all is its caller's to say.
    """
    for name in ("exp", "nbf", "iat"):
        if name not in claims:
            continue
        age_s = now_s - _numeric_date(claims[name])
        if (age_s if name == "exp" else -age_s) > tolerance_s:
            return stale(age_s, tolerance_s)
    return None


def _numeric_date(value: Any) -> float:
    """Read a time in seconds, which may have a fraction (RFC 7519, section 2)."""
    if isinstance(value, float) and abs(value) < _TIME_MAX_S:
        return value
    return float(decode.timestamp(value))
