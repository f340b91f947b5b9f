"""What the commands print: senders' text made harmless, JSON, sizes and times in words."""

import json
import re
from typing import Any, Final

import click

from dispatchd.cli.paging import echo_lines
from dispatchd.spelling import iso as iso  # noqa: PLC0414 - commands find it here
from dispatchd.spelling import plural as plural  # noqa: PLC0414 - commands find it here
from dispatchd.spelling import size as size  # noqa: PLC0414 - commands find it here
from dispatchd.spelling import span as span  # noqa: PLC0414 - commands find it here
from dispatchd.strangers import printable, printable_json

_TOKENS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
INDENT: Final = "  "


def say(text: str, *, err: bool = False) -> None:
    """Print for people, line by line: whatever a stranger chose of it commands no terminal."""
    click.echo(printable(text, lines=True), err=err)


def say_long(text: str) -> None:
    """Print the same as `say`, with a pager where it is longer than the terminal."""
    echo_lines(printable(text, lines=True).split("\n"))


def body_text(body: bytes) -> str:
    """Spell a body for a terminal: its text, with what is neither UTF-8 nor harmless escaped."""
    return printable(body.decode("utf-8", "backslashreplace"), lines=True)


def pretty_json(text: str) -> str | None:
    """Indent a JSON document, every token as the sender spelled it; None where it is not JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict | list):
        return text.strip()
    return _indent(_TOKENS.findall(text))


def _indent(marks: list[str]) -> str:
    parts: list[str] = []
    depth = 0
    for index, mark in enumerate(marks):
        if mark in "}]":
            depth -= 1
            parts.append(mark if marks[index - 1] in "{[" else _newline(depth) + mark)
        else:
            parts.append(mark)
        if mark in "{[":
            depth += 1
            if marks[index + 1] not in "}]":
                parts.append(_newline(depth))
        elif mark == ",":
            parts.append(_newline(depth))
        elif mark == ":":
            parts.append(" ")
    return "".join(parts)


def _newline(depth: int) -> str:
    return "\n" + INDENT * depth


def to_json(data: Any, *, indent: bool = True) -> str:
    """Spell `data` as JSON in ASCII: nothing in it can command a terminal."""
    text = json.dumps(data, indent=2 if indent else None)
    return printable_json(text.encode()).decode()


def distance(at_ms: int, now_ms: int) -> str:
    """Say how far off a time is: `3m ago`, `in 5s`."""
    return f"in {span(at_ms - now_ms)}" if at_ms > now_ms else f"{span(now_ms - at_ms)} ago"


def clock_time(at_ms: int) -> str:
    """Spell a time for people: `2026-01-31 12:00:00.123 UTC`."""
    return spoken(iso(at_ms))


def spoken(iso_time: str) -> str:
    """Spell for people what `iso` spelled for scripts."""
    return iso_time.replace("T", " ").replace("Z", " UTC")
