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
        return _parse_by_the_letter(body, str(error))


def exact_json(body: bytes) -> Any:
    """Read a body with its integers as they are; None where that cannot be done."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _parse_by_the_letter(body: bytes, refusal: str) -> Any:
    """Read what the standard allows and orjson refuses.

    That is a lone surrogate, or a number beyond a float. Whether there is one is not looked for:
    a search for it took longer than this. Raises NotJson with `refusal`, orjson's own.
    """

    def no_constant(_: str) -> NoReturn:
        raise NotJson(refusal)

    try:
        return json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise NotJson(refusal) from None
