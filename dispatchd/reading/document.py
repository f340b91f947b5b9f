"""Is this body a JSON document, as RFC 8259 has it."""

import json
import re
from typing import Any, Final, NoReturn

import orjson

# What the standard allows and orjson refuses: a lone surrogate, a number beyond a float.
# Digits are looked at from the first of a run alone: not once more from each of them.
_ODD: Final = re.compile(rb"\\u[dD][89a-fA-F]|[eE]\+?[0-9]{3}|(?<![0-9])[0-9]{309}")


class NotJson(ValueError):  # noqa: N818 - a verdict on the body
    """The body is not one JSON document; the message says where it stops being one."""


def parse_json(body: bytes) -> Any:
    """Parse a body. Raises NotJson for an empty one, bad UTF-8, NaN, or nesting too deep."""
    if not body:
        raise NotJson("the body is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if _ODD.search(body):  # rare enough for a second, slower opinion
            return _parse_by_the_letter(body)
        raise NotJson(str(error)) from None


def exact_json(body: bytes) -> Any:
    """Read a body with its integers as they are; None where that cannot be done."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _parse_by_the_letter(body: bytes) -> Any:
    def no_constant(name: str) -> NoReturn:
        raise NotJson(f"{name} is not JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except ValueError as error:
        raise NotJson(str(error)) from None
