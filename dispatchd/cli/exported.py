"""Exported events: a line of JSON each, as `export` writes and `send --from` reads them."""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from dispatchd.errors import DispatchdError

LINE_MAX_BYTES: Final = 512 * 1024 * 1024  # a body of the largest size, spelled at its longest


class ExportedEvent(NamedTuple):
    """What of an exported event can be sent again."""

    event_id: str
    endpoint: str
    content_type: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def read_exported(file: BinaryIO, name: str) -> Iterator[ExportedEvent]:
    """Yield the events of an export. Raises DispatchdError with the line that is none."""
    number = 0
    while line := file.readline(LINE_MAX_BYTES):
        number += 1
        if not line.strip():
            continue
        try:
            yield _event(json.loads(line))
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
            raise DispatchdError(
                f"line {number} of {name} is no event as `dispatchd export` writes them"
            ) from None


def _event(told: dict[str, Any]) -> ExportedEvent:
    headers = tuple((str(name), str(value)) for name, value in told["headers"])
    if "body_base64" in told:
        body = base64.b64decode(told["body_base64"], validate=True)
    else:
        body = told["body"].encode()
    event = ExportedEvent(told["event_id"], told["endpoint"], told["content_type"], headers, body)
    if not all(isinstance(text, str) for text in event[:3]):
        raise TypeError
    return event
