"""Signing what goes out: the schemes that prove senders, the other way round.

Compiled once for each destination. Standard Webhooks is the rule: its id is the event's, the
same over retries, its timestamp the attempt's (https://www.standardwebhooks.com, specification).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from multidict import CIMultiDict

from dispatchd.frozen import frozen
from dispatchd.verify import keys
from dispatchd.verify.inbound import Inbound
from dispatchd.verify.provider import standard
from dispatchd.verify.scheme import Scheme, SignatureSpec, scheme_of, spec_problems, spell
from dispatchd.verify.template import Signed, compile_template, fill, is_body, uses

_STANDARD_V1A, _STANDARD_V1 = standard("webhook", "standard-webhooks")
STANDARD_ID: Final = "webhook-id"


@frozen
class OutgoingSpec:
    """A scheme of one's own, as the config writes it. `id_header` carries the event's id."""

    signature: SignatureSpec
    id_header: str = ""


class Signer:
    """Signs requests to `url`: `names` are the headers it writes.

    Each of `keyed` is a scheme with what signs for it; they share all but their keys and
    versions, and so one message and one header, in which their signatures stand side by side.
    `made_by` is the function that makes its like, with its arguments.
    """

    def __init__(
        self,
        keyed: Sequence[tuple[Scheme, keys.Maker]],
        url: str,
        id_header: str,
        made_by: tuple[Callable[..., "Signer"], tuple[Any, ...]],
    ) -> None:
        scheme = keyed[0][0]
        self._made_by = made_by
        self._keyed = tuple(keyed)
        self._header = scheme.header
        self._id_header = id_header
        self._timestamp_header = scheme.timestamp_header
        self._parts = compile_template(scheme.template)
        self._body_only = is_body(self._parts)
        self._url = url
        self.names: Final = tuple(filter(None, (id_header, self._timestamp_header, self._header)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as what it was made by: keys cannot."""
        return self._made_by

    def sign(self, headers: CIMultiDict[str], event_id: str, now_ms: int, body: bytes) -> None:
        """Add the signature of `body`, made at `now_ms` (Unix ms), to the other headers.

        The template's headers must be among them: the config sees to it.
        """
        timestamp = str(now_ms // 1000)
        if self._id_header:
            headers[self._id_header] = event_id
        if self._timestamp_header:
            headers[self._timestamp_header] = timestamp
        message = body
        if not self._body_only:
            sender = Inbound("POST", headers, "", body, 0.0)
            message = fill(self._parts, Signed(sender, self._url, timestamp, None))
        headers[self._header] = " ".join(
            [spell(scheme, make(message), timestamp) for scheme, make in self._keyed]
        )


def standard_signer(secrets: Sequence[bytes], url: str) -> Signer:
    """Sign by Standard Webhooks with every secret: v1 for a `whsec_`, v1a for a `whsk_`.

    Raises ValueError that says what is wrong with one.
    """
    keyed: list[tuple[Scheme, keys.Maker]] = []
    for secret in secrets:
        if keys.is_private_key(secret):
            keyed.append((_STANDARD_V1A, keys.ed25519_maker(secret)))
        elif keys.is_signing_secret(secret):
            key = keys.signing_secret(secret)
            keyed.append((_STANDARD_V1, keys.hmac_maker(key, _STANDARD_V1.algorithm)))
        else:
            raise ValueError("a signing_secret begins with neither whsec_ nor whsk_")
    return Signer(keyed, url, STANDARD_ID, (standard_signer, (tuple(secrets), url)))


def own_signer(secret: bytes, spec: OutgoingSpec, url: str) -> Signer:
    """Sign by a scheme of one's own that has no problems, with the secret as it is."""
    scheme = scheme_of(spec.signature)
    keyed = [(scheme, keys.hmac_maker(secret, scheme.algorithm))]
    return Signer(keyed, url, spec.id_header, (own_signer, (secret, spec, url)))


def outgoing_problems(spec: OutgoingSpec, url: str) -> list[str]:
    """Say what is wrong with a `signing:` of the config, each in a sentence."""
    problems = spec_problems(spec.signature)
    try:
        parts = compile_template(spec.signature.template)
    except ValueError:
        return problems  # named already
    if uses(parts, "field"):
        problems.append("{body.PATH} is for what comes in; what goes out is signed by {body}")
    if not uses(parts, "body"):
        problems.append("the template does not sign the body; add {body} to it")
    if uses(parts, "url") and not url.isascii():
        problems.append("the template uses {url}, and the url is not in ASCII")
    if spec.id_header and spec.id_header.lower() not in template_headers(spec.signature.template):
        problems.append("the template does not sign the id; add {header.NAME} of its id_header")
    written = [spec.signature.header, spec.signature.timestamp_header, spec.id_header]
    named = [name.lower() for name in written if name]
    if len(set(named)) < len(named):
        problems.append("header, timestamp_header and id_header must be three different headers")
    return problems


def template_headers(template: str) -> frozenset[str]:
    """Return the headers, in lower case, that a template signs; nothing where it is malformed."""
    try:
        parts = compile_template(template)
    except ValueError:
        return frozenset()
    return frozenset(part.name.lower() for part in parts if part.kind == "header")
