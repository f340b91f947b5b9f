"""A scheme, compiled with its keys to one check. Malformed is simply not genuine."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from dispatchd.verify import decode, keys
from dispatchd.verify.api_key import API_KEY_PREFIX
from dispatchd.verify.form import form_document, is_form
from dispatchd.verify.inbound import UNREAD, Genuine, Inbound, Rejected, one_header, query_field
from dispatchd.verify.places import at
from dispatchd.verify.scheme import ANY_USER, Scheme, split_list, stale
from dispatchd.verify.template import Signed, compile_template, fill, is_body

SIGNATURE_MAX_CHARS: Final = 4096
_AN_API_KEY: Final = f"bearer {API_KEY_PREFIX}"


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
        self._timed = scheme.is_timed
        self._size = keys.SIGNATURE_BYTES.get(scheme.algorithm)
        self._in_header = bool(scheme.header) and not scheme.query
        self._decode = _decoder(scheme, self._size)
        # Where API keys stand too: one of those is not this scheme's to judge.
        self._shared = scheme.header.lower() == "authorization"

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no signature of this scheme."""
        try:
            return self._check(sender)
        except ValueError as error:  # UnicodeError is one: malformed, and so not genuine
            message = "a part of it is not ASCII" if isinstance(error, UnicodeError) else str(error)
            return Rejected("invalid_signature", message)

    def _check(self, sender: Inbound) -> Genuine | Rejected | None:
        scheme = self._scheme
        if not self._in_header:
            value, document = self._elsewhere(sender)
        else:
            value = one_header(sender.headers, scheme.header)
            document = self._document(sender) if self.paths and value is not None else None
        if value is None:
            return None
        texts, timestamp = self._split(value)
        if scheme.more_headers:
            texts += self._more_texts(sender)
        if not texts:
            return None  # only other versions: another scheme's to judge
        signatures = self._decoded(texts)
        if scheme.object_only and not sender.body.lstrip(b" \t\r\n").startswith(b"{"):
            raise ValueError("the body is not a JSON object")
        message, age_s = sender.body, 0.0
        if self._timed:
            timestamp = self._timestamp(sender, document) if timestamp is None else timestamp
            age_s = sender.now_s - decode.time_s(timestamp, scheme.timestamp_unit)
        if not self._body_only:
            message = fill(self._parts, Signed(sender, self._url, timestamp, document))
        found = keys.matching(self._keys, message, signatures)
        if found is None:
            return Rejected("invalid_signature", f"{scheme.where} does not match the request")
        if abs(age_s) > self._tolerance_s:
            return stale(age_s, self._tolerance_s)
        return self._proofs[found]

    def _elsewhere(self, sender: Inbound) -> tuple[Any, Any]:
        """Return what holds the signature where that is no header, and the document it is in."""
        if self._scheme.query:
            return query_field(sender.query, self._scheme.query), None
        document = self._document_if_any(sender)
        return at(document, self._scheme.path), document

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
        if self._shared and value[: len(_AN_API_KEY)].lower() == _AN_API_KEY:
            return [], None
        if scheme.user is not None:
            return basic_credentials(value, scheme.user), None
        if scheme.listed is not None:
            return split_list(scheme.listed, value)
        if not value.startswith(scheme.prefix):
            if self._shared:
                return [], None  # of another kind: another scheme's to judge
            raise ValueError(f"the signature does not start with {scheme.prefix}")
        return [value[len(scheme.prefix) :]], None

    def _more_texts(self, sender: Inbound) -> list[str]:
        """Return the signatures of the further headers."""
        sent = [one_header(sender.headers, name) for name in self._scheme.more_headers]
        return [text for value in sent if value is not None for text in self._split(value)[0]]

    def _timestamp(self, sender: Inbound, document: Any) -> str:
        """Return the timestamp as sent, from where the scheme has it."""
        scheme = self._scheme
        if scheme.timestamp_header:
            return one_header(sender.headers, scheme.timestamp_header) or ""
        sent = at(document, scheme.timestamp_path) if scheme.timestamp_path else None
        return str(sent) if isinstance(sent, (int, str)) else ""

    def _decoded(self, texts: Sequence[str]) -> list[bytes]:
        """Return what can be read: what cannot matches nothing. ValueError where nothing can."""
        if len(texts) == 1:  # nearly always
            return [self._decode(texts[0])]
        found: list[bytes] = []
        problem: ValueError | None = None
        for text in texts:
            try:
                found.append(self._decode(text))
            except ValueError as error:
                problem = error
        if problem is not None and not found:
            raise problem
        return found


def _decoder(scheme: Scheme, size_bytes: int | None) -> Callable[[str], bytes]:
    """Return what reads a signature; ValueError where it cannot be one of the scheme's."""
    if scheme.encoding == "plain":
        charset = "ascii" if scheme.user is None else "utf-8"
        return lambda text: text.encode(charset)
    read = decode.hex_bytes if scheme.encoding == "hex" else decode.base64_bytes

    def read_signature(text: str) -> bytes:
        value = read(text)
        if size_bytes is not None and len(value) != size_bytes:
            raise ValueError("the signature has the wrong length")
        return value

    return read_signature


def basic_credentials(value: str, user: str) -> list[str]:
    """Return what of an Authorization header (RFC 7617) is compared; nothing of another kind.

    That is `user:password`, or the password alone where any user will do.
    """
    kind, _, credentials = value.partition(" ")
    if kind.lower() != "basic":
        return []
    text = decode.base64_bytes(credentials.strip(" ")).decode()
    return [text.partition(":")[2] if user == ANY_USER else text]
