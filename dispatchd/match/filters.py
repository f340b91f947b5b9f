"""Which events go on: the plain filter, and what a JSONata filter is shown and may say. Pure.

A filter sees `{event_type, headers, body, source_ip}`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from dispatchd.frozen import frozen
from dispatchd.match.event_types import glob_match, globs_meet
from dispatchd.paths import at_path, split_path
from dispatchd.strangers import utf8

ROOTS: Final = ("event_type", "headers", "body", "source_ip")


@frozen
class Subject:
    """What a filter judges. `headers` is a case-insensitive mapping.

    `body_json` is the whole body as JSON, for JSONata filters; None where it has no reading.
    `body` may be no more of it than what plain filters ask for.
    """

    event_type: str | None
    headers: Mapping[str, str]
    body: Any
    source_ip: str | None
    body_json: bytes | None = None


@frozen
class Condition:
    """One line of a plain filter: what stands at a path, and the values it may have.

    `key` is as the config has it: `root` and, below that, `path`, for headers the one name.
    """

    key: str
    wanted: tuple[Any, ...]
    root: str
    path: tuple[str, ...]

    def actual(self, subject: Subject) -> Any:
        """Return what stands at the path; None where it leads nowhere."""
        if self.root == "headers":
            return subject.headers.get(self.path[0])
        value = getattr(subject, self.root)
        return at_path(value, self.path) if self.path else value

    @property
    def body_path(self) -> tuple[str, ...] | None:
        """The path it follows into the body; None where it looks elsewhere."""
        return self.path if self.root == "body" else None

    def holds(self, subject: Subject) -> bool:
        """Whether one of the values is there."""
        actual = self.actual(subject)
        return any(_same(wanted, actual) for wanted in self.wanted)


@frozen
class PlainFilter:
    """Paths with values, all of which must hold."""

    conditions: tuple[Condition, ...]

    def lets_through(self, subject: Subject) -> bool:
        """Whether every condition holds."""
        return all(condition.holds(subject) for condition in self.conditions)


@frozen
class JsonataFilter:
    """An expression that yields true or false; evaluated elsewhere, within bounds."""

    expression: str


Filter = PlainFilter | JsonataFilter


def compile_filter(given: str | Mapping[str, Any] | None) -> Filter | None:
    """Compile a filter as the config writes it. Raises ValueError that says what is wrong."""
    if given is None:
        return None
    if isinstance(given, str):
        return JsonataFilter(given)
    if not given:
        raise ValueError("has no condition; remove it, or give it one")
    return PlainFilter(tuple(_condition(key, value) for key, value in given.items()))


def _condition(key: str, value: Any) -> Condition:
    root, dot, rest = key.partition(".")
    if root not in ROOTS:
        raise ValueError(
            f'"{key}" is no path; it begins with event_type, headers., body. or source_ip'
        )
    if (root == "headers" and not rest) or (dot and not all(rest.split("."))):
        raise ValueError(f'"{key}" is no path; write headers.X-Name or body.key')
    if root in ("event_type", "source_ip") and dot:
        raise ValueError(f'"{key}" leads nowhere: {root} is text')
    wanted = tuple(value) if isinstance(value, list) else (value,)
    if not wanted or any(isinstance(item, (list, dict)) for item in wanted):
        raise ValueError(f'"{key}" needs a value or a list of them: text, numbers, true, null')
    path = (rest,) if root == "headers" else split_path(rest)
    return Condition(key, wanted, root, path)


def never_both(one: Filter | None, other: Filter | None) -> str | None:
    """Return the key for which two filters want values that nothing has at once; None else.

    Only of plain filters can that be told.
    """
    if not isinstance(one, PlainFilter) or not isinstance(other, PlainFilter):
        return None
    for first in one.conditions:
        for second in other.conditions:
            if (first.root, _place(first)) == (second.root, _place(second)) and not any(
                _agree(a, b) for a in first.wanted for b in second.wanted
            ):
                return second.key
    return None


def _place(condition: Condition) -> tuple[str, ...]:
    """Return the path; a header's name has no case."""
    lower = condition.root == "headers"
    return tuple(map(str.lower, condition.path)) if lower else condition.path


def _agree(one: Any, other: Any) -> bool:
    """Whether some value is what both want."""
    if isinstance(one, str) and isinstance(other, str):
        return globs_meet((one,), (other,))
    return _same(one, other)


def _same(wanted: Any, actual: Any) -> bool:
    """Compare as JSON does: 1 is 1.0 and no true; text may be a glob."""
    if isinstance(wanted, str):
        return isinstance(actual, str) and glob_match(wanted, actual)
    if isinstance(wanted, bool) or isinstance(actual, bool) or wanted is None or actual is None:
        return wanted is actual
    return bool(wanted == actual)


def subject_json(subject: Subject) -> bytes:
    """Spell the subject for a JSONata filter, its body as it came where it is JSON.

    Its headers are a `headers_object`.
    """
    headers = headers_object(subject.headers.items())
    envelope = orjson.dumps(
        {"event_type": subject.event_type, "headers": headers, "source_ip": subject.source_ip}
    )
    body = b"null" if subject.body_json is None else subject.body_json
    return b"".join((envelope[:-1], b',"body":', body, b"}"))


def headers_object(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as an expression sees them: of each the first.

    Names stand as they came and in lower case: they have no case, expressions do.
    """
    found: dict[str, str] = {}  # plain text: a name may come as a subclass of str
    for name, value in headers:
        text = utf8(value)
        found.setdefault(str(name), text)
        found.setdefault(name.lower(), text)
    return found


def verdict_of(result: bytes) -> bool | None:
    """Read what a JSONata filter yielded; None for anything but true and false."""
    return {b"true": True, b"false": False}.get(result)
