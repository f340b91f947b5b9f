"""The signature machinery: a scheme is a row of data, compiled with its keys to one check."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dispatchd.verify import decode, keys
from dispatchd.verify.form import form_document, is_form
from dispatchd.verify.inbound import UNREAD, Genuine, Inbound, Rejected, one_header
from dispatchd.verify.places import at
from dispatchd.verify.template import Signed, compile_template, fill, is_body, uses

ALGORITHMS: Final = ("sha256", "sha1", "sha512")
ENCODINGS: Final = ("hex", "base64")
MAX_LISTED: Final = 16  # signatures in one header; a rotation needs two
SIGNATURE_MAX_CHARS: Final = 4096

# Hashing more than this keeps the loop for a millisecond or more; it lets the interpreter go.
HASH_HERE_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SignatureSpec:
    """A scheme as the config writes it; `header` or `path` holds the signature, not both."""

    header: str = ""
    path: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""
    timestamp_path: str = ""
    template: str = "{body}"
    tolerance_s: float | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """How one header lists several signatures: `t=1,v1=aa,v1=bb` or `v1,aa v1a,bb`."""

    separator: str
    assign: str
    version: str
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign.

    `key` says what is made of a configured secret: `text` as it is; `base64` behind
    `whsec_`; `signing` and `token` share one list, told apart by that prefix; `public` for
    ed25519. `object_only` refuses a body that is no JSON object.
    """

    name: str
    header: str = ""
    path: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""
    timestamp_path: str = ""
    timestamp_unit_s: float = 1.0
    template: str = "{body}"
    listed: Listed | None = None
    key: str = "text"
    object_only: bool = False


def spec_problems(spec: SignatureSpec) -> list[str]:
    """Say what is wrong with a `signature:` of the config, each in a sentence."""
    problems = []
    if bool(spec.header) == bool(spec.path):
        problems.append("signature needs either header or path")
    if spec.algorithm not in ALGORITHMS:
        problems.append(f"algorithm {spec.algorithm!r} is not one of {', '.join(ALGORITHMS)}")
    if spec.encoding not in ENCODINGS:
        problems.append(f"encoding {spec.encoding!r} is not one of {', '.join(ENCODINGS)}")
    try:
        parts = compile_template(spec.template)
    except ValueError as error:
        return [*problems, str(error)]
    timed = bool(spec.timestamp_header) + bool(spec.timestamp_path)
    signed = uses(parts, "timestamp") or any(
        part.kind == "field" and part.name == spec.timestamp_path for part in parts
    )
    covered = signed or (bool(spec.timestamp_path) and uses(parts, "body"))
    if timed > 1:
        problems.append("use timestamp_header or timestamp_path, not both")
    if timed and not covered:
        problems.append("the template does not sign the timestamp; add {timestamp} to it")
    if not timed and uses(parts, "timestamp"):
        problems.append("the template uses {timestamp}; say where it is with timestamp_header")
    if not timed and spec.tolerance_s is not None:
        problems.append("tolerance needs a timestamp; say where it is with timestamp_header")
    if spec.tolerance_s is not None and spec.tolerance_s <= 0:
        problems.append("tolerance must be more than nothing")
    return problems


def scheme_of(spec: SignatureSpec) -> Scheme:
    """Return the scheme that a checked `signature:` describes."""
    return Scheme(
        "signature",
        header=spec.header,
        path=spec.path,
        algorithm=spec.algorithm,
        encoding=spec.encoding,
        prefix=spec.prefix,
        timestamp_header=spec.timestamp_header,
        timestamp_path=spec.timestamp_path,
        template=spec.template,
    )


def scheme_keys(
    scheme: Scheme, secrets: Sequence[bytes], public_keys: Sequence[str]
) -> list[tuple[int, keys.Key]]:
    """Return the keys that fit a scheme, each with its number in the config."""
    numbered = list(enumerate(secrets))
    match scheme.key:
        case "public":
            return [(i, keys.ed25519_key(text)) for i, text in enumerate(public_keys)]
        case "token":
            return [(i, keys.token_key(s)) for i, s in numbered if not keys.is_signing_secret(s)]
        case "signing":
            numbered = [(i, s) for i, s in numbered if keys.is_signing_secret(s)]
    if scheme.key in ("signing", "base64"):
        numbered = [(i, keys.signing_secret(s)) for i, s in numbered]
    return [(i, keys.hmac_key(s, scheme.algorithm)) for i, s in numbered]


class SchemeCheck:
    """A scheme, compiled with its keys."""

    def __init__(
        self,
        scheme: Scheme,
        numbered: Sequence[tuple[int, keys.Key]],
        tolerance_s: float,
        url: str,
        *,
        forms: bool,
    ) -> None:
        self._scheme = scheme
        self._proofs = [Genuine(f"{scheme.name}[{number}]") for number, _ in numbered]
        self._keys = [key for _, key in numbered]
        self._tolerance_s = tolerance_s
        self._url = url
        self._forms = forms
        self._parts = compile_template(scheme.template)
        self._body_only = is_body(self._parts)
        fields = [part.name for part in self._parts if part.kind == "field"]
        self.paths = tuple(filter(None, (scheme.path, scheme.timestamp_path, *fields)))
        listed = scheme.listed is not None and bool(scheme.listed.timestamp)
        self._timed = listed or bool(scheme.timestamp_header or scheme.timestamp_path)
        self._size = keys.DIGEST_BYTES.get(scheme.algorithm, keys.ED25519_SIGNATURE_BYTES)

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no signature of this scheme."""
        try:
            return self._check(sender)
        except ValueError as error:  # UnicodeError is one: malformed, and so not genuine
            message = "a part of it is not ASCII" if isinstance(error, UnicodeError) else str(error)
            return Rejected("invalid_signature", message)

    def _check(self, sender: Inbound) -> Genuine | Rejected | None:
        scheme = self._scheme
        value, document = self._value(sender)
        if value is None:
            return None
        texts, timestamp = self._split(value)
        if not texts:
            return None  # only other versions: another scheme's to judge
        signatures = [self._decode(text) for text in texts]
        if scheme.object_only and not sender.body.lstrip(b" \t\r\n").startswith(b"{"):
            raise ValueError("the body is not a JSON object")
        message, age_s = sender.body, 0.0
        if self._timed:
            if timestamp is None:
                timestamp = self._timestamp(sender, document)
            age_s = sender.now_s - decode.timestamp(timestamp) * scheme.timestamp_unit_s
        if not self._body_only:
            message = fill(self._parts, Signed(sender, self._url, timestamp, document))
        found = keys.matching(self._keys, message, signatures)
        if found is None:
            where = scheme.header or f"the body's {scheme.path}"
            return Rejected("invalid_signature", f"{where} does not match the request")
        if abs(age_s) > self._tolerance_s:
            return stale(age_s, self._tolerance_s)
        return self._proofs[found]

    def _value(self, sender: Inbound) -> tuple[Any, Any]:
        """Return what holds the signature, or None, and the document where it is needed."""
        if not self._scheme.header:
            document = self._document_if_any(sender)
            return at(document, self._scheme.path), document
        value = one_header(sender.headers, self._scheme.header)
        return value, self._document(sender) if self.paths and value is not None else None

    def _document(self, sender: Inbound) -> Any:
        """Read the body as the endpoint will.

        The Content-Type is signed by nobody: were it believed here alone, a sender could choose
        in which reading a timestamp is found.
        """
        if sender.document is not UNREAD:
            return sender.document
        content_type = one_header(sender.headers, "Content-Type") or ""
        if self._forms and is_form(content_type):
            return form_document(sender.body, content_type)
        return decode.json_document(sender.body)

    def _document_if_any(self, sender: Inbound) -> Any:
        """Return the document; a body that cannot be read holds no signature either."""
        try:
            return self._document(sender)
        except ValueError:
            return None

    def _split(self, value: Any) -> tuple[list[str], str | None]:
        """Return the signatures in what was sent, and the timestamp if it lists one."""
        scheme = self._scheme
        if not isinstance(value, str) or not value or len(value) > SIGNATURE_MAX_CHARS:
            raise ValueError("the signature is malformed")
        if scheme.listed is not None:
            return split_list(scheme.listed, value)
        if not value.startswith(scheme.prefix):
            raise ValueError(f"the signature does not start with {scheme.prefix}")
        return [value[len(scheme.prefix) :]], None

    def _timestamp(self, sender: Inbound, document: Any) -> str:
        """Return the timestamp as sent, from where the scheme has it."""
        scheme = self._scheme
        if scheme.timestamp_header:
            return one_header(sender.headers, scheme.timestamp_header) or ""
        sent = at(document, scheme.timestamp_path) if scheme.timestamp_path else None
        return str(sent) if isinstance(sent, (int, str)) else ""

    def _decode(self, text: str) -> bytes:
        match self._scheme.encoding:
            case "plain":
                return text.encode("ascii")
            case "hex":
                value = decode.hex_bytes(text)
            case _:
                value = decode.base64_bytes(text)
        if len(value) != self._size:
            raise ValueError("the signature has the wrong length")
        return value


def spell(scheme: Scheme, signature: bytes, timestamp: str) -> str:
    """Spell a signature as its header holds it: what `check` reads."""
    text = signature.hex() if scheme.encoding == "hex" else b64encode(signature).decode()
    listed = scheme.listed
    if listed is None:
        return scheme.prefix + text
    text = f"{listed.version}{listed.assign}{text}"
    if listed.timestamp:
        text = f"{listed.timestamp}{listed.assign}{timestamp}{listed.separator}{text}"
    return text


def split_list(listed: Listed, value: str) -> tuple[list[str], str | None]:
    """Split a listing header into the signatures of our version and the timestamp, if any."""
    items = value.split(listed.separator, MAX_LISTED)
    if len(items) > MAX_LISTED:
        raise ValueError("the header lists too many signatures")
    texts: list[str] = []
    timestamp: str | None = None
    for item in items:
        name, assign, rest = item.strip(" ").partition(listed.assign)
        if not assign:
            raise ValueError("the header is malformed")
        if name == listed.version:
            texts.append(rest)
        elif listed.timestamp and name == listed.timestamp:
            if timestamp is not None:
                raise ValueError("the header has two timestamps")
            timestamp = rest
    return texts, timestamp


def stale(age_s: float, tolerance_s: float) -> Rejected:
    """Refuse a right signature of the wrong time: a replay, or a clock that is off."""
    way = "old" if age_s > 0 else "in the future"
    return Rejected(
        "stale_timestamp",
        f"the signature is right but {abs(age_s):.0f} s {way}; {tolerance_s:.0f} s are tolerated",
    )
