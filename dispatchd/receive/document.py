"""Is this body a JSON document, as RFC 8259 has it."""

import json
from typing import Any, NoReturn

import orjson


class NotJson(ValueError):  # noqa: N818 - a verdict on the body
    """The body is not one JSON document; the message says where it stops being one."""


def parse_json(body: bytes) -> Any:
    """Parse a body. Raises NotJson for an empty one, bad UTF-8, NaN, or nesting too deep."""
    if not body:
        raise NotJson("the body is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # What the standard allows and orjson refuses, a lone \ud800 or 1e999, is rare enough
        # for a second, slower opinion.
        if "surrogate" in str(error) or "infinity" in str(error):
            return _parse_by_the_letter(body)
        raise NotJson(str(error)) from None


def _parse_by_the_letter(body: bytes) -> Any:
    def no_constant(name: str) -> NoReturn:
        raise NotJson(f"{name} is not JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except ValueError as error:
        raise NotJson(str(error)) from None
