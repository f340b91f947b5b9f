"""Write docs/json.md, and what its shapes are now: `python tests/json_page.py`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from dispatchd.shapes.commands import COMMANDS, FREE, VERSION, Told

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "json.md"
KEPT = ROOT / "tests" / "json_shapes" / f"{VERSION}.json"
INTRO = f"""\
# What `--json` prints

Written by `python tests/json_page.py` from the types that the commands fill; change those, not
this page.

This is **version {VERSION}** of the shapes. Within a version fields are only added: none is
removed, renamed or given another type, so read those that you know and pass over the others.
Should one have to go, the version goes up and the changelog says so. The [API](api.md) under
`/api/v1` has the same shapes.

Each command prints one JSON document, in ASCII; what prints lines prints one a line. Times are
`2026-01-31T12:00:00.123Z`, durations have their unit in the name, and what is not there is
`null`. A field marked `?` may be missing. Bytes that are not UTF-8 stand in base64 in a field of
their own. A command that fails prints its error on standard error, and exits 1 or 2
([exit codes](cli.md)).

| command | prints |
|---|---|
"""


def named(shape: Any) -> str:
    return re.sub(r"Fields$", "", shape.__name__)


def shapes() -> dict[str, Any]:
    """Return every shape that a command prints, or that stands in one, by name."""
    found: dict[str, Any] = {}

    def add(kind: Any) -> None:
        if is_typeddict(kind) and named(kind) not in found:
            found[named(kind)] = kind
            for hint in get_type_hints(kind).values():
                add(hint)
        for inner in get_args(kind):
            add(inner)

    for told in COMMANDS.values():
        for one in told:
            add(one.shape)
    return found


def spelled(kind: Any) -> str:
    if is_typeddict(kind):
        return named(kind)
    if kind is Any:
        return "any"
    if kind is type(None):
        return "null"
    origin, inside = get_origin(kind), get_args(kind)
    if origin is list:
        return f"[{spelled(inside[0])}]"
    if origin is dict:
        return f"{{…: {spelled(inside[1])}}}"
    if inside:
        return " or ".join(map(spelled, inside))
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[kind]


def fields(shape: Any) -> dict[str, str]:
    """Return the type of each field by its name, with a `?` where it may be missing."""
    hints = get_type_hints(shape, include_extras=True)
    return {
        f"{name}?" if get_origin(hint) is NotRequired else name: spelled(
            get_args(hint)[0] if get_origin(hint) is NotRequired else hint
        )
        for name, hint in hints.items()
    }


def prints(told: Told) -> str:
    link = f"[{named(told.shape)}](#{named(told.shape).lower()})"
    what = f"a list of {link}" if told.listed else f"lines, each a {link}" if told.lines else link
    return f"{told.when}, {what}" if told.when else what


def page() -> str:
    """Return the whole page."""
    lines = [INTRO.rstrip("\n")]
    for name in sorted({*COMMANDS, *FREE}):
        what = [prints(one) for one in COMMANDS.get(name, ())]
        what += [FREE[name]] if name in FREE else []
        anchor = f"cli.md#dispatchd-{name.replace(' ', '-')}"
        lines.append(f"| [`{name}`]({anchor}) | {'; '.join(what)} |")
    for name, shape in sorted(shapes().items()):
        lines += ["", f"## {name}", "", *said(shape.__doc__), "", "| field | type |", "|---|---|"]
        lines += [f"| `{field}` | {kind} |" for field, kind in fields(shape).items()]
    return "\n".join(lines) + "\n"


def said(doc: str | None) -> Iterator[str]:
    text = doc or ""
    if text.startswith("dict("):  # a type without words of its own
        return
    yield from (line.strip() for line in text.strip().splitlines())


def now() -> str:
    """Return the shapes as they are now, as a file of JSON."""
    return json.dumps({name: fields(shape) for name, shape in sorted(shapes().items())}, indent=1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    KEPT.write_text(now() + "\n", encoding="utf-8")
