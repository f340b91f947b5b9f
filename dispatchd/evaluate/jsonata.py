"""One JSONata evaluation, as the evaluator process does it."""

import re
from functools import lru_cache
from typing import Any, Final

from jlens import Expression, JlensError

from dispatchd.evaluate.frames import ERROR, NOTHING, RESULT_MAX_BYTES, STRING_MAX_BYTES, VALUE
from dispatchd.evaluate.json_input import loads

_WORDS: Final = re.compile(r"[A-Za-z ]{1,100}")  # of a message, up to the first value
# Errors whose words are the payload's, as $error was given them, or would be cut short.
_SPOKEN: Final = {
    "D3137": "$error was called",
    "D3141": "$assert failed",
    "U1001": "a value is larger or deeper than allowed",
}


@lru_cache(maxsize=256)
def _compile(expression: str) -> Expression:
    return Expression(expression)


def evaluate(expression: str, document: bytes, bindings: bytes) -> tuple[int, bytes]:
    """Evaluate `expression` over the JSON `document`; return a status and its payload.

    The members of `bindings` are the expression's variables.
    """
    try:
        names = loads(bindings) if bindings else None
        compiled = _compile(expression)
        text = document.decode()
        try:
            result = compiled.evaluate_json(
                text, names, max_string_length=STRING_MAX_BYTES, max_result_size=RESULT_MAX_BYTES
            )
        except ValueError:
            result = _by_the_letter(compiled, text, names)
    except (JlensError, RecursionError) as error:
        return ERROR, _told(error).encode()
    except ValueError:
        return ERROR, b"the input is not JSON"
    if result is None:
        return NOTHING, b""
    encoded = result.encode("utf-8", "replace")
    if len(encoded) > RESULT_MAX_BYTES:
        return ERROR, b"the result is larger than 10 MiB"
    return VALUE, encoded


def _by_the_letter(compiled: Expression, text: str, names: dict[str, Any] | None) -> str | None:
    """Evaluate over what the engine's reader refuses and JSON allows.

    A lone surrogate becomes U+FFFD, 1e999 the largest number, and more than 128 levels are read.
    A null cannot be told from nothing here, and counts as nothing. Raises ValueError.
    """
    result = compiled.evaluate(
        loads(text),
        names,
        max_string_length=STRING_MAX_BYTES,
        max_result_size=RESULT_MAX_BYTES,
    )
    if result is None:
        return None
    import json  # noqa: PLC0415 - few documents come here, and the process stays small

    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def _told(error: Exception) -> str:
    """Say what went wrong without the payload: the engine's messages quote values."""
    if not isinstance(error, JlensError):
        return "nested too deeply"
    found = _WORDS.match(str(error))
    words = _SPOKEN.get(error.code) or (found[0].strip() if found else "")
    return f"{error.code}: {words}" if words else error.code
