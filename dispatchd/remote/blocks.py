"""Server-sent events read from bytes. Pure.

Source: html.spec.whatwg.org, section 9.2.6. Whatever comes in whichever pieces: lines end with
CR, LF or both, and a stream that is cut ends before the event that was not whole.
"""

import re
from typing import Final

from dispatchd.frozen import frozen

EVENT_MAX_BYTES: Final = 64 * 1024 * 1024
_BREAK: Final = re.compile(rb"\r\n|\n|\r")


@frozen
class Block:
    """One event: `name` is `message` where it has none; `last_id` is the id that counts from it.

    One without data (None) is no event, and only moves the id on.
    """

    name: str
    data: bytes | None
    last_id: str | None


class BlockReader:
    """Reads blocks from bytes as they come."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._seen = 0  # bytes of the rest that hold no line break
        self._last_id: str | None = None
        self._told_id: str | None = None
        self._name = ""
        self._data: list[bytes] = []
        self._size_bytes = 0
        self._begun = False

    def feed(self, data: bytes) -> list[Block]:
        """Return the blocks that are whole now. Raises ValueError for one without an end."""
        self._rest += data
        found: list[Block] = []
        for line in self._lines():
            if line:
                self._field(line)
            elif (block := self._end()) is not None:
                found.append(block)
        if len(self._rest) + self._size_bytes > EVENT_MAX_BYTES:
            raise ValueError(f"an event of more than {EVENT_MAX_BYTES} bytes")
        return found

    def _lines(self) -> list[bytes]:
        lines: list[bytes] = []
        rest, start = self._rest, 0
        for match in _BREAK.finditer(rest, self._seen):
            if match.end() == len(rest) and match[0] == b"\r":
                break  # its LF may be still to come
            lines.append(bytes(rest[start : match.start()]))
            start = match.end()
        del rest[:start]
        self._seen = max(0, len(rest) - 1)
        if not self._begun and lines:
            self._begun = True
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size_bytes += len(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._last_id = value.decode("utf-8", "replace")

    def _end(self) -> Block | None:
        name, data, last_id = self._name, self._data, self._last_id
        self._name, self._data, self._size_bytes = "", [], 0
        moved, self._told_id = last_id != self._told_id, last_id
        if data:
            return Block(name or "message", b"\n".join(data), last_id)
        return Block("", None, last_id) if moved else None
