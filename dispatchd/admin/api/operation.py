"""One operation of the API: what it takes, what it answers, and who does it."""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Final

from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import FlawFields
from dispatchd.durations import duration_ms
from dispatchd.frozen import frozen

LIMIT_MAX: Final = 1000
LOOK_MS: Final = 200  # how long one look into the history may take
TEXT_MAX_CHARS: Final = 1000
BODY_MAX_BYTES: Final = 64 * 1024
_ANY_MS: Final = 2**80  # however long ago: it reaches back to the beginning
_DURATION: Final = r"^[0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d)$"

Read = Callable[[str, int], Any]  # of the text, at that time (Unix ms); raises ValueError


@frozen
class Param:
    """A value in the path, the query or a header: how it is read, and its JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]
    read: Read


@frozen
class Raw:
    """An answer that is no JSON: bytes of any kind."""

    body: bytes
    filename: str


@frozen
class Asked:
    """What a handler is asked: `given` are the values of path, query and headers, by name.

    `now_ms` is Unix ms; `gone` says whether whoever asks has hung up meanwhile, or may not
    ask any more.
    """

    given: Mapping[str, Any]
    body: Any
    now_ms: int
    gone: Callable[[], bool] = lambda: False

    def get(self, name: str) -> Any:
        """Return a value that may have been left out."""
        return self.given.get(name)


Handle = Callable[[AdminParts, Asked], Awaitable[Any]]


@frozen
class Operation:
    """A row of the API's table. `answer` is the type of what the handler returns."""

    method: str
    path: str
    handle: Handle
    summary: str
    answer: Any
    in_path: Sequence[Param] = ()
    in_query: Sequence[Param] = ()
    in_header: Sequence[Param] = ()
    body: Any = None
    status: int = 200
    errors: Sequence[int] = field(default=())
    body_max_bytes: int = BODY_MAX_BYTES


def query_values(
    params: Sequence[Param],
    query: Iterable[tuple[str, str]],
    now_ms: int,
    errors: list[FlawFields],
) -> dict[str, Any]:
    """Return what a query says; what is wrong with it goes into `errors`."""
    known = {param.name: param for param in params}
    given: dict[str, Any] = {}
    for name, text in query:
        param = known.get(name)
        if param is None:
            errors.append({"name": name, "message": "there is no such parameter"})
        elif name in given:
            errors.append({"name": name, "message": "is there twice"})
        else:
            try:
                given[name] = param.read(text, now_ms)
            except ValueError as error:
                errors.append({"name": name, "message": str(error)})
    return given


def text(name: str, description: str, *, most_chars: int = TEXT_MAX_CHARS) -> Param:
    """Return a parameter of any text."""

    def read(given: str, _now_ms: int) -> str:
        if not 1 <= len(given) <= most_chars:
            raise ValueError(f"must have 1 to {most_chars} characters")
        return given

    schema = {"type": "string", "minLength": 1, "maxLength": most_chars}
    return Param(name, description, schema, read)


def choice(name: str, description: str, words: Sequence[str]) -> Param:
    """Return a parameter of fixed words."""

    def read(given: str, _now_ms: int) -> str:
        if given not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return given

    return Param(name, description, {"type": "string", "enum": list(words)}, read)


def number(name: str, description: str, most: int, default: int | None = None) -> Param:
    """Return a parameter of a whole number from 1 to `most`."""

    def read(given: str, _now_ms: int) -> int:
        digits = given.lstrip("0") if given.isascii() and given.isdigit() else ""
        value = int(digits) if 1 <= len(digits) <= len(str(most)) else 0
        if not 1 <= value <= most:
            raise ValueError(f"must be a whole number from 1 to {most}")
        return value

    schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": most}
    if default is not None:
        schema["default"] = default
    return Param(name, description, schema, read)


def event_id(name: str, description: str) -> Param:
    """Return a parameter of an event's whole id."""

    def read(given: str, _now_ms: int) -> str:
        try:
            return str(uuid.UUID(given))
        except ValueError:
            raise ValueError("is no event id") from None

    return Param(name, description, {"type": "string", "format": "uuid"}, read)


def moment(name: str, description: str) -> Param:
    """Return a parameter of a time: a duration back from now, or ISO 8601."""
    schema = {
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "pattern": _DURATION},
        ]
    }
    return Param(name, f"{description} 2h, 7d, or an ISO time with its zone.", schema, read_time)


def read_time(given: str, now_ms: int) -> int:
    """Return a point in time in Unix ms, never before 1970. Raises ValueError."""
    try:
        return max(0, now_ms - duration_ms(given, most_ms=_ANY_MS))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(given)
        zoned = None if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # or beyond the years that can be spelled
        zoned = None
    if zoned is None:
        raise ValueError("is no time; write 2h, 7d or 2026-01-31T12:00:00Z")
    seconds = (zoned - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return max(0, int(seconds * 1000))


LIMIT: Final = number("limit", "How many at most.", LIMIT_MAX, 50)
EVENT: Final = event_id("event_id", "The event's id.")
DESTINATION: Final = text("destination", "The destination's name.", most_chars=128)
