"""Amazon SNS: RSA over some fields of the body, by a certificate at AWS's own host.

Source: AWS, "Verifying the signatures of Amazon SNS messages". Each message names its
certificate's URL, so an attacker chooses it: only SNS's hosts and the one form of path, without
a query, are ever asked for (SNS's own API answers on the same hosts with what its callers wrote).
AWS sends no chain along: that the host showed its certificate is the proof. Any AWS account can
have SNS sign, so only the topic says whose message it is. `cryptography` is imported on first use.
"""

import json
import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from dispatchd.verify import decode
from dispatchd.verify.certified import signed_by, unix_s
from dispatchd.verify.handshake import TEXT, Handshake, Shared
from dispatchd.verify.inbound import UNREAD, Answer, Genuine, Headers, Inbound, Rejected
from dispatchd.verify.pinned import CERTIFICATE, Pinned, PinnedSource
from dispatchd.verify.places import Place, at, text
from dispatchd.verify.scheme import stale
from dispatchd.verify.scheme_check import SIGNATURE_MAX_CHARS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

RETRIED_S: Final = 3600.0  # SNS sends again for up to an hour, with the time of the first
BODY_MAX_BYTES: Final = 1024 * 1024  # four times what SNS sends
# A region's: `sns.s3.amazonaws.com` is a bucket, and what its owner puts there.
_HOST: Final = r"https://sns\.[a-z]{2,6}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE: Final = re.compile(
    _HOST + r"/SimpleNotificationService(?:-[0-9A-Za-z]{1,100})?\.pem", re.ASCII
)
_SUBSCRIBE: Final = re.compile(_HOST + r"/\?[!-~]{1,4000}", re.ASCII)
_TOPIC: Final = re.compile(
    r"arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII
)
_OF_SUBSCRIPTION: Final = (
    "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
)  # fmt: skip
_SIGNED: Final = {  # by type, in the order in which they are signed
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _OF_SUBSCRIPTION,
    "UnsubscribeConfirmation": _OF_SUBSCRIPTION,
}
_ALGORITHMS: Final = {"1": "sha1", "2": "sha256"}
_KEY_BITS_MIN: Final = 2048
_KEYS_MAX: Final = 8  # remembered; a region signs with one at a time


def topic_problem(topic: str) -> str | None:
    """Say what is wrong with the ARN of a topic; None where nothing is."""
    if _TOPIC.fullmatch(topic):
        return None
    return "topic is no ARN of a topic; write arn:aws:sns:REGION:ACCOUNT:NAME"


class SnsCheck:
    """SNS's scheme, compiled with the topics that may send."""

    paths: tuple[str, ...] = (
        *dict.fromkeys(name for names in _SIGNED.values() for name in names),
        "Signature",
        "SignatureVersion",
        "SigningCertURL",
    )

    def __init__(self, topics: Collection[str], tolerance_s: float, source: PinnedSource) -> None:
        self._topics = frozenset(topics)
        self._tolerance_s = tolerance_s
        self._source = source
        self._known: dict[bytes, _Certified] = {}

    def pinned(self, sender: Inbound) -> Pinned | None:
        """Return the certificate of a message that could be one of ours."""
        document = _document(sender)
        topic, url = at(document, "TopicArn"), at(document, "SigningCertURL")
        if not isinstance(topic, str) or topic not in self._topics:
            return None
        return Pinned(url, CERTIFICATE) if _is_certificate_url(url) else None

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when its body holds no signature."""
        document = _document(sender)
        if not isinstance(document, dict) or document.get("Signature") is None:
            return None
        try:
            return self._check(sender, document)
        except ValueError as error:
            return Rejected("invalid_signature", str(error))

    def _check(self, sender: Inbound, document: dict[str, Any]) -> Genuine | Rejected:
        if len(sender.body) > BODY_MAX_BYTES:
            raise ValueError("the body is larger than any of SNS's")
        signature = decode.base64_bytes(_need(document, "Signature")[:SIGNATURE_MAX_CHARS])
        algorithm = _ALGORITHMS.get(_need(document, "SignatureVersion"))
        if algorithm is None:
            raise ValueError("SignatureVersion is neither 1 nor 2")
        message = canonical(document)
        if document["TopicArn"] not in self._topics:
            raise ValueError("TopicArn is not a topic of this endpoint")
        url = _need(document, "SigningCertURL")
        if not _is_certificate_url(url):
            raise ValueError("SigningCertURL is not one of SNS's")
        age_s = sender.now_s - unix_s("Timestamp", document["Timestamp"])
        pem = self._source.get(url)
        if pem is None:
            return Rejected("certificate_unavailable", "SNS's certificate cannot be had")
        if not signed_by(self._key(pem, sender.now_s), message, signature, algorithm):
            return Rejected("invalid_signature", "Signature does not match the body")
        _require_single_names(sender.body)
        if not -self._tolerance_s <= age_s <= self._tolerance_s + RETRIED_S:
            return stale(age_s, self._tolerance_s + (RETRIED_S if age_s > 0 else 0))
        return Genuine("aws-sns[0]")

    def _key(self, pem: bytes, now_s: float) -> "RSAPublicKey":
        known = self._known.get(pem)
        if known is None:
            known = _Certified(pem)
            if len(self._known) >= _KEYS_MAX:
                self._known.clear()
            self._known[pem] = known
        return known.key(now_s)


class _Certified:
    """A certificate's key, and when it may be used. ValueError where it is none."""

    def __init__(self, pem: bytes) -> None:
        from cryptography import x509  # noqa: PLC0415 - memory, see above
        from cryptography.hazmat.primitives.asymmetric.rsa import (  # noqa: PLC0415 - likewise
            RSAPublicKey,
        )

        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey) or key.key_size < _KEY_BITS_MIN:
            raise ValueError("SNS's certificate holds no RSA key of 2048 bits")
        self._key = key
        self._from = certificate.not_valid_before_utc
        self._until = certificate.not_valid_after_utc

    def key(self, now_s: float) -> "RSAPublicKey":
        if not self._from <= datetime.fromtimestamp(now_s, UTC) <= self._until:
            raise ValueError("SNS's certificate is out of date")
        return self._key


def _document(sender: Inbound) -> Any:
    if sender.document is not UNREAD:
        return sender.document
    try:
        return decode.json_document(sender.body)
    except ValueError:
        return None


def _is_certificate_url(url: Any) -> bool:
    return isinstance(url, str) and _CERTIFICATE.fullmatch(url) is not None


def _need(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing")  # noqa: TRY004 - a sender's mistake
    return value


def canonical(document: dict[str, Any]) -> bytes:
    """Return what SNS signs: names and values, a line each. Raises ValueError."""
    names = _SIGNED.get(_need(document, "Type"))
    if names is None:
        raise ValueError("Type is not one of SNS's")
    lines = [
        f"{name}\n{_need(document, name)}\n"
        for name in names
        if name != "Subject" or document.get(name) is not None
    ]
    return "".join(lines).encode()


def _require_single_names(body: bytes) -> None:
    """Refuse a name that stands twice: what is signed is one of them, and a reader takes either."""

    def single(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name stands twice in the body")

    json.loads(body, object_pairs_hook=single)


def _confirm(_sender: Inbound, document: Any, _shared: Shared) -> Answer | None:
    """Confirm a subscription by its URL, once its message is proven; nobody unproven asks for it.

    A message without a signature (an API key proved its sender) confirms nothing.
    """
    if at(document, "Type") != "SubscriptionConfirmation" or at(document, "Signature") is None:
        return None
    url, topic = at(document, "SubscribeURL"), at(document, "TopicArn")
    fields: dict[str, list[str]] = {}
    if isinstance(url, str) and _SUBSCRIBE.fullmatch(url):
        fields = parse_qs(urlsplit(url).query, max_num_fields=10)
    if fields.get("Action") != ["ConfirmSubscription"] or fields.get("TopicArn") != [topic]:
        return Answer(400, TEXT, b"SubscribeURL is not one of SNS's\n")
    return Answer(200, TEXT, b"", visit=url, note=f"confirmed the subscription to {topic}")


def _type(_: Headers, document: Any) -> str | None:
    """Name what is not a notification; a notification's own type is its publisher's to say."""
    kind = text(at(document, "Type"))
    return None if kind == "Notification" else kind


confirmation: Final = Handshake(_confirm, ("Type", "Signature", "SubscribeURL", "TopicArn"))
sns_type: Final = Place(_type, ("Type",), told="body.Type, where it is no Notification")
