"""Twilio: the public URL and every form parameter are signed, or the URL and a hash of the body.

Source: Twilio's "Webhooks security" and its SDK's RequestValidator. HMAC-SHA1 with the auth
token, or HMAC-SHA256 when a shared key signs and the settings header says so.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from dispatchd.verify import decode, keys
from dispatchd.verify.form import URLENCODED, media_type, urlencoded_pairs
from dispatchd.verify.inbound import Genuine, Inbound, Rejected, one_header
from dispatchd.verify.template import full_url

HEADER: Final = "X-Twilio-Signature"
_SETTINGS: Final = "X-Twilio-Webhooks-Signature-Settings"
_ALGORITHMS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_BODY_HASH: Final = "bodySHA256"
_FORM_MAX_BYTES: Final = 64 * 1024  # decoded before it is proven; Twilio's own are a few KB


class TwilioCheck:
    """Twilio's scheme, compiled with its tokens and the public URL."""

    paths: tuple[str, ...] = ()

    def __init__(self, secrets: Sequence[bytes], url: str) -> None:
        self._keys = {
            algorithm: [keys.hmac_key(secret, algorithm) for secret in secrets]
            for algorithm in _ALGORITHMS.values()
        }
        self._urls = tuple(url_spellings(url))

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no Twilio signature."""
        if not sender.headers.getall(HEADER, []):
            return None
        try:
            return self._check(sender)
        except ValueError as error:
            message = "a part of it is malformed" if isinstance(error, UnicodeError) else str(error)
            return Rejected("invalid_signature", message)

    def _check(self, sender: Inbound) -> Genuine | Rejected:
        algorithm = _algorithm(one_header(sender.headers, _SETTINGS))
        signature = decode.base64_bytes(one_header(sender.headers, HEADER) or "")
        if len(signature) != keys.SIGNATURE_BYTES[algorithm]:
            raise ValueError("the signature has the wrong length")
        params = _signed_params(sender)
        found: int | None = None
        for url in self._urls:  # Twilio is not consistent about a default port
            message = full_url(url, sender.query) + params
            match = keys.matching(self._keys[algorithm], message, [signature])
            found = match if found is None else found
        if found is None:
            return Rejected("invalid_signature", f"{HEADER} does not match the request")
        return Genuine(f"twilio[{found}]")


def _algorithm(settings: str | None) -> str:
    """Return the algorithm that the settings header names; without one, HMAC-SHA1."""
    for item in (settings or "").split(","):
        name, _, value = item.partition("=")
        if name.strip() == "algorithm":
            if value.strip() not in _ALGORITHMS:
                raise ValueError(f"{_SETTINGS} names an unknown algorithm")
            return _ALGORITHMS[value.strip()]
    return "sha1"


def _signed_params(sender: Inbound) -> bytes:
    """Return what is signed behind the URL; every byte of the body must be covered by something.

    A `bodySHA256` in the query must hold whatever the content type claims: else a captured JSON
    request could be sent again as an empty form.
    """
    hashes = [value for name, value in _query_pairs(sender.query) if name == _BODY_HASH]
    if len(hashes) > 1:
        raise ValueError(f"{_BODY_HASH} is sent more than once")
    if hashes:
        given = decode.hex_bytes(hashes[0])
        if not hmac.compare_digest(hashlib.sha256(sender.body).digest(), given):
            raise ValueError(f"{_BODY_HASH} does not match the body")
    content_type = one_header(sender.headers, "Content-Type") or ""
    if media_type(content_type) == URLENCODED:
        if len(sender.body) > _FORM_MAX_BYTES:
            raise ValueError(f"the form is over {_FORM_MAX_BYTES} bytes")
        return _joined(sender.body)
    if sender.body and not hashes:
        raise ValueError(f"the body is no form and the URL has no {_BODY_HASH}")
    return b""


def _joined(form: bytes) -> bytes:
    pairs = sorted(set(urlencoded_pairs(form)))  # a repeated pair counts once
    return "".join(name + value for name, value in pairs).encode()


def sign_twilio(
    token: bytes, url: str, body: bytes, content_type: str
) -> tuple[dict[str, str], str]:
    """Return headers and query with which Twilio would post `body` to `url`."""
    if media_type(content_type) == URLENCODED:
        query, params = "", _joined(body)
    else:
        query, params = f"{_BODY_HASH}={hashlib.sha256(body).hexdigest()}", b""
    digest = hmac.digest(token, full_url(url, query) + params, "sha1")
    return {HEADER: base64.b64encode(digest).decode()}, query


def _query_pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=200)


def url_spellings(url: str) -> Iterator[str]:
    """Yield a URL without its port and with it, the scheme's default where it has none."""
    parts = urlsplit(url)
    host = parts.netloc
    if parts.port is not None:
        host = host.rpartition(":")[0]
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    yield parts._replace(netloc=host).geturl()
    yield parts._replace(netloc=f"{host}:{port}").geturl()
