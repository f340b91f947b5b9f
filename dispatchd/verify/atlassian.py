"""Jira and Confluence apps: a JSON Web Token, HS256 only, in `Authorization`.

Connect sends `JWT <token>` whose `qsh` claim binds it to this request; dynamic webhooks of
OAuth apps send `Bearer <token>`. Neither covers the body. Source: Atlassian's "Understanding
JWT" and "Query string hash".
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from dispatchd.verify import keys
from dispatchd.verify.api_key import API_KEY_PREFIX
from dispatchd.verify.inbound import Genuine, Inbound, Rejected, one_header
from dispatchd.verify.jwt_token import read_claims, read_token, time_refusal

HEADER: Final = "Authorization"
_MAX_QUERY_FIELDS: Final = 200


class AtlassianCheck:
    """Atlassian's tokens, compiled with their shared or client secrets."""

    paths: tuple[str, ...] = ()

    def __init__(self, name: str, secrets: Sequence[bytes], tolerance_s: float, url: str) -> None:
        self._name = name
        self._keys = [keys.hmac_key(secret, "sha256") for secret in secrets]
        self._tolerance_s = tolerance_s
        self._path = urlsplit(url).path if url else None

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no token (an API key is none)."""
        values = sender.headers.getall(HEADER, [])
        if not values:
            return None
        kind, _, token = values[0].partition(" ")
        kind, token = kind.lower(), token.strip(" ")
        if len(values) == 1 and (
            kind not in ("jwt", "bearer") or (kind == "bearer" and token.startswith(API_KEY_PREFIX))
        ):
            return None
        try:
            one_header(sender.headers, HEADER)  # doubled, long or not ASCII: refused
            return self._check(sender, token, bound=kind == "jwt")
        except ValueError as error:
            return Rejected("invalid_signature", str(error))

    def _check(self, sender: Inbound, token: str, *, bound: bool) -> Genuine | Rejected:
        read = read_token(token)
        # Only HS256: `none` proves nothing, and RS256 would make a public key a secret.
        if read.algorithm != "HS256":
            raise ValueError("the token is not signed with HS256")
        found = keys.matching(self._keys, read.message, [read.signature])
        if found is None:
            return Rejected("invalid_signature", "the token is not signed with a known secret")
        claims = read_claims(read)
        if not isinstance(claims.get("iss"), str):
            raise ValueError("the token has no issuer")  # noqa: TRY004 - a sender's mistake
        if "exp" not in claims:
            raise ValueError("the token never expires")
        refusal = time_refusal(claims, sender.now_s, self._tolerance_s)
        if refusal is not None:
            return refusal
        if bound or "qsh" in claims:
            self._require_qsh(claims.get("qsh"), sender)
        return Genuine(f"{self._name}[{found}]")

    def _require_qsh(self, claimed: Any, sender: Inbound) -> None:
        if self._path is None:
            raise ValueError("the token has a qsh; the endpoint needs its url to check it")
        right = query_string_hash(sender.method, self._path, sender.query)
        if not isinstance(claimed, str) or not hmac.compare_digest(
            claimed.encode("utf-8", "replace"), right.encode()
        ):
            raise ValueError("the token's qsh is for another request")


def query_string_hash(method: str, path: str, query: str) -> str:
    """Return Atlassian's `qsh`: SHA-256 of `METHOD&path&sorted query`."""
    uri = "/" + path.strip("/").replace("&", "%26")
    fields = parse_qs(
        query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_QUERY_FIELDS
    )
    pairs = sorted(
        (quote(name, safe="~"), ",".join(quote(value, safe="~") for value in sorted(values)))
        for name, values in fields.items()
        if name != "jwt"
    )
    canonical = f"{method.upper()}&{uri}&{'&'.join('='.join(pair) for pair in pairs)}"
    return hashlib.sha256(canonical.encode()).hexdigest()
