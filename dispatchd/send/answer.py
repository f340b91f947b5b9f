"""HTTP/1.1 answers, read from bytes as they come (RFC 9112). Pure: no sockets, no time.

Every part is bounded, and so is the time that reading takes. What is broken raises BadAnswer. What
is odd but clear (bare line feeds, folded lines, HTTP/1.0) is read, and ends its connection: only
an answer whose end is beyond doubt may be followed by another on the same connection.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_MAX_BYTES: Final = 64 * 1024  # of status lines and headers, interim answers included
HEADERS_MAX: Final = 256
INTERIM_MAX: Final = 8  # 1xx answers before the real one
KEPT_MAX_BYTES: Final = 2048  # of the body that are kept
DRAIN_MAX_BYTES: Final = 64 * 1024  # read beyond that only so that the connection can be reused
CHUNK_LINE_MAX_BYTES: Final = 1024
TRAILER_MAX_BYTES: Final = 8 * 1024
# A chunk costs as much time as kilobytes of body: past this many, hanging up is cheaper.
CHUNKS_MAX: Final = 2048

_START: Final = b"HTTP/1."
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: [^\r\0]*)?")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?\r\n")
_FIELD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0-\x08\n-\x1f\x7f]*")
_CONTROL: Final = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")  # but for tabs and line ends
_KEEP_ALIVE_TIMEOUT: Final = re.compile(r"timeout\s*=\s*\"?([0-9]{1,9})")
_NOTED: Final = frozenset(
    {"content-length", "transfer-encoding", "connection", "retry-after", "keep-alive"}
)
_SWITCHING: Final = 101
_FIRST_FINAL: Final = 200
_NO_CONTENT: Final = 204
_BODYLESS: Final = frozenset({_NO_CONTENT, 304})  # 304 may say how long the body would be
_LENGTH_DIGITS: Final = 18  # more is no length that anybody sends


class BadAnswer(Exception):  # noqa: N818 - it says what came
    """What came is no HTTP/1.1 answer, or one without bounds. The text quotes nothing of it."""


class Answer:
    """One answer. `feed` what comes until it says that the answer is complete.

    `status` and `headers` are there once the head is (`status` 0 before); `kept` is the first
    2 KB of the body. `reusable` says whether the connection may carry another exchange, `idle_s`
    how long the server means to keep it open, where it says so.
    """

    __slots__ = (
        "_buffer",
        "_chunks",
        "_head_bytes",
        "_interim",
        "_left",
        "_read",
        "_scanned",
        "_tunnel",
        "body_bytes",
        "headers",
        "idle_s",
        "kept",
        "retry_after",
        "reusable",
        "status",
        "touched",
    )

    def __init__(self, *, tunnel: bool = False) -> None:
        """Begin; `tunnel` where the request was CONNECT: a success has no body, whatever it says.

        Then `reusable` says that nothing stands behind the answer.
        """
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.kept = b""
        self.body_bytes = 0
        self.reusable = True
        self.idle_s: float | None = None
        self.retry_after: str | None = None
        self.touched = False  # anything came at all
        self._tunnel = tunnel
        self._buffer = b""
        self._scanned = 0  # of the buffer, without finding what is looked for
        self._head_bytes = 0
        self._interim = 0
        self._left = 0  # of a body or chunk whose length is known
        self._chunks = 0
        # What the next bytes belong to; unbound, so that an answer is no reference cycle.
        self._read: Callable[[Answer, bytes], bool] = Answer._read_head

    def feed(self, data: bytes) -> bool:
        """Take what came; True when the answer is complete. Raises BadAnswer."""
        self.touched = True
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        return self._read(self, data)

    def eof(self) -> bool:
        """Take the end of the connection; True when the answer is complete by it."""
        return self._read is Answer._read_to_end

    # Status line and headers

    def _read_head(self, data: bytes) -> bool:
        while True:
            end = _head_end(data, self._scanned)
            if end < 0:
                if self._head_bytes + len(data) > HEAD_MAX_BYTES:
                    raise BadAnswer("the answer's headers are longer than 64 KiB")
                if not data.startswith(_START[: len(data)]):  # a greeting may never end
                    raise BadAnswer("the answer was not HTTP/1.1")
                self._buffer = data
                self._scanned = max(0, len(data) - 3)
                return False
            self._scanned = 0
            self._head_bytes += end
            if self._head_bytes > HEAD_MAX_BYTES:
                raise BadAnswer("the answer's headers are longer than 64 KiB")
            status, minor, headers = self._parse_head(data[:end])
            data = data[end:]
            if status == _SWITCHING:
                raise BadAnswer("the answer switches to a protocol nobody asked for")
            if status >= _FIRST_FINAL:
                break
            self._interim += 1
            if self._interim > INTERIM_MAX:
                raise BadAnswer("too many interim answers came before the real one")
        self.headers = headers
        self._frame(status, minor)
        self.status = status
        return self._read(self, data)

    def _parse_head(self, head: bytes) -> tuple[int, int, list[tuple[str, str]]]:
        # Whether it has the protocol's line ends alone, and no control character.
        clean = (
            head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n")
            and _CONTROL.search(head) is None
        )
        lines = head.split(b"\r\n" if clean else b"\n")
        del lines[-2:]  # the empty line, and what stands behind its end: nothing
        if len(lines) > HEADERS_MAX:
            raise BadAnswer("the answer has too many headers")
        first = lines[0]
        match = _STATUS_LINE.fullmatch(first[:-1] if first.endswith(b"\r") else first)
        if match is None:
            raise BadAnswer("the answer was not HTTP/1.1")
        if not clean:
            self.reusable = False
        headers: list[tuple[str, str]] = []
        for line in lines[1:]:
            if not clean:
                line = line.removesuffix(b"\r")  # noqa: PLW2901 - without its end, as the clean ones
                if b"\0" in line or b"\r" in line:
                    raise BadAnswer("a header of the answer holds a control character")
            if line.startswith((b" ", b"\t")) and headers:
                name, value = headers[-1]  # a folded line: obsolete
                headers[-1] = (name, f"{value} {_text(line)}".strip())
                self.reusable = False
                continue
            name_bytes, colon, value_bytes = line.partition(b":")
            if not colon or _NAME.fullmatch(name_bytes) is None:
                raise BadAnswer("a header of the answer has no name")
            headers.append((name_bytes.decode(), _text(value_bytes)))
        return int(match[2]), int(match[1]), headers

    def _frame(self, status: int, minor: int) -> None:
        """Decide where the body ends (RFC 9112 section 6.3) and what becomes of the connection."""
        lengths, codings = self._noted()
        length = _agreed_length(lengths) if lengths else None
        if minor == 0:
            self.reusable = False  # what HTTP/1.0 means by keep-alive depends on whom it passed
        if codings and lengths:
            raise BadAnswer("the answer has both a length and a transfer coding")
        if self._tunnel:
            self.reusable = True
            self._read = Answer._read_length
        elif status in _BODYLESS:
            if codings or (
                length and status == _NO_CONTENT
            ):  # a body that there cannot be may come all the same
                self.reusable = False
            self._read = Answer._read_length
        elif codings and codings[-1] == "chunked" and codings.count("chunked") == 1:
            if len(codings) > 1:  # others may see its end elsewhere
                self.reusable = False
            self._read = Answer._read_chunk_line
        elif length is not None:
            self._left = length
            self._read = Answer._read_length
        else:
            self.reusable = False
            self._read = Answer._read_to_end

    def _noted(self) -> tuple[list[str], list[str]]:
        """Note what the headers say of the connection; return the lengths and codings they name."""
        lengths: list[str] = []
        codings: list[str] = []
        for name, value in self.headers:
            lower = name.lower()
            if lower not in _NOTED:  # most are not
                continue
            match lower:
                case "content-length":
                    lengths += value.split(",")
                case "transfer-encoding":
                    codings += [_coding(written) for written in value.split(",")]
                case "connection":
                    if "close" in value.lower():
                        self.reusable = False
                case "retry-after" if self.retry_after is None:
                    self.retry_after = value
                case "keep-alive":
                    if (said := _KEEP_ALIVE_TIMEOUT.search(value.lower())) is not None:
                        self.idle_s = float(said[1])
                case _:
                    pass
        return lengths, codings

    # The body

    def _keep(self, data: bytes) -> bool:
        """Count and keep body bytes; True when there have been enough of them."""
        if len(self.kept) < KEPT_MAX_BYTES:
            self.kept += data[: KEPT_MAX_BYTES - len(self.kept)]
        self.body_bytes += len(data)
        return self.body_bytes > KEPT_MAX_BYTES + DRAIN_MAX_BYTES

    def _enough(self) -> bool:
        self.reusable = False
        return True

    def _read_length(self, data: bytes) -> bool:
        if len(data) > self._left:  # nobody asked for what stands behind the end
            self.reusable = False
            data = data[: self._left]
        self._left -= len(data)
        if self._keep(data) and self._left:
            return self._enough()
        return not self._left

    def _read_to_end(self, data: bytes) -> bool:
        return self._keep(data) and self._enough()

    def _read_chunk_line(self, data: bytes) -> bool:
        """Read chunks (RFC 9112 section 7.1) as long as they are here whole."""
        position = 0
        while True:
            end = data.find(b"\n", position, position + CHUNK_LINE_MAX_BYTES) + 1
            if not end:
                if len(data) - position >= CHUNK_LINE_MAX_BYTES:
                    raise BadAnswer("a chunk of the answer has a line without end")
                self._buffer = data[position:]
                return False
            match = _CHUNK_LINE.fullmatch(data, position, end)
            if match is None:
                raise BadAnswer("a chunk of the answer has no length")
            length = int(match[1], 16)
            if not length:
                self._left = 0
                self._read = Answer._read_trailer
                return self._read_trailer(data[end:])
            self._chunks += 1
            if self._chunks > CHUNKS_MAX:
                return self._enough()
            position = end + length + 2
            if position > len(data):
                self._left = length
                self._read = Answer._read_chunk
                return self._read_chunk(data[end:])
            if data[position - 2 : position] != b"\r\n":
                raise BadAnswer("a chunk of the answer is longer than it says")
            if self._keep(data[end : position - 2]):
                return self._enough()

    def _read_chunk(self, data: bytes) -> bool:
        """Read the part of a chunk that is here; the rest and its line end come later."""
        if self._left:
            part = data[: self._left]
            self._left -= len(part)
            if self._keep(part):
                return self._enough()
            data = data[len(part) :]
            if self._left:
                return False
        if len(data) < 2:  # noqa: PLR2004 - a line end
            self._buffer = data
            return False
        if data[:2] != b"\r\n":
            raise BadAnswer("a chunk of the answer is longer than it says")
        self._read = Answer._read_chunk_line
        return self._read_chunk_line(data[2:])

    def _read_trailer(self, data: bytes) -> bool:
        """Read past the trailer: nothing in it is of use."""
        if data.startswith(b"\r\n"):
            if len(data) > 2:  # noqa: PLR2004 - a line end
                self.reusable = False
            return True
        end = data.find(b"\r\n\r\n", self._scanned)
        if len(data) > TRAILER_MAX_BYTES:
            raise BadAnswer("the answer's trailer is longer than 8 KiB")
        if end < 0:
            self._buffer = data
            self._scanned = max(0, len(data) - 3)
            return False
        fields = data[:end].split(b"\r\n")
        if len(data) > end + 4 or not all(_FIELD.fullmatch(field) for field in fields):
            self.reusable = False
        return True


def _head_end(data: bytes, start: int) -> int:
    """Return where the first empty line ends, -1 where there is none yet."""
    end = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, end + 1 if end >= 0 else len(data))
    if bare >= 0:
        return bare + 2
    return end + 3 if end >= 0 else -1


def _agreed_length(written: list[str]) -> int:
    """Return the length that every `Content-Length` names. Raises BadAnswer."""
    lengths = {*map(_length, written)}
    if len(lengths) > 1:
        raise BadAnswer("the answer has two different lengths")
    return lengths.pop()


def _length(written: str) -> int:
    text = written.strip(" \t")
    if not (text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS):
        raise BadAnswer("the answer's Content-Length is no number")
    return int(text)


def _coding(written: str) -> str:
    """Return a coding's name in lower case; what is not ASCII is none, whatever it resembles."""
    return written.strip(" \t").lower() if written.isascii() else written


def _text(raw: bytes) -> str:
    """Decode a header's value: text that can be stored, whatever bytes came."""
    return raw.strip(b" \t").decode("utf-8", "replace")
