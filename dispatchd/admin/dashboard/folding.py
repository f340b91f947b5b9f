"""A JSON document as HTML to fold: details in details, every scalar as the sender spelled it.

What comes out is bounded in size, whatever the document is; what is left out is said.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from dispatchd.strangers import printable

READ_MAX_BYTES: Final = 64 * 1024  # a larger one would keep the loop
HTML_MAX_CHARS: Final = 40_000
DEPTH_MAX: Final = 40
OPEN_DEPTH: Final = 2  # what lies deeper is folded
OPEN_ITEMS: Final = 12  # and so is what is longer
STRING_MAX_CHARS: Final = 2_000


class _Number(str):
    """A number, spelled as it came."""

    __slots__ = ()


def folded(body: bytes, most_chars: int = HTML_MAX_CHARS) -> str | None:
    """Return a JSON document as HTML; None where it is none, or too large to read here."""
    if len(body) > READ_MAX_BYTES:
        return None
    try:
        document = json.loads(
            body,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
            object_pairs_hook=tuple,
        )
    except (ValueError, RecursionError):
        return None
    return folded_tree(document, most_chars)


def folded_value(value: Any, most_chars: int = HTML_MAX_CHARS) -> str:
    """Likewise of what has been read already."""
    return folded_tree(_paired(value, DEPTH_MAX), most_chars)


def _paired(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return tuple((str(k), _paired(v, depth - 1) if depth else "…") for k, v in value.items())
    if isinstance(value, list):
        return [_paired(item, depth - 1) if depth else "…" for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _Number(json.dumps(value))
    return value


def folded_tree(document: Any, most_chars: int = HTML_MAX_CHARS) -> str:
    """Lay out pairs, lists and scalars, as far as the bound goes."""
    parts: list[str] = []
    left = most_chars
    for part in _value(document, "", 0):
        left -= len(part)
        if left < 0:
            # What is open must be closed; browsers would, but a page is well formed.
            depth = sum(p.count("<details") for p in parts) - sum(
                p.count("</details") for p in parts
            )
            parts.append('<p class="cut">… the rest is left out here</p>')
            parts.append("</div></details>" * depth)
            break
        parts.append(part)
    return f'<div class="json">{"".join(parts)}</div>'


def _value(value: Any, name: str, depth: int) -> Iterator[str]:
    if not isinstance(value, tuple | list) or not value or depth >= DEPTH_MAX:
        yield f"<p>{name}{_scalar(value)}</p>"
        return
    pairs = isinstance(value, tuple)
    noun = ("key" if pairs else "item") + ("" if len(value) == 1 else "s")
    first, last = "{}" if pairs else "[]"
    is_open = depth < OPEN_DEPTH and (depth == 0 or len(value) <= OPEN_ITEMS)
    yield (
        f"<details{' open' if is_open else ''}><summary>{name}{first}"
        f"<small>{len(value)} {noun}</small>{last}</summary><div>"
    )
    if pairs:
        for key, item in value:
            yield from _value(item, f"<b>{_text(key)}:</b> ", depth + 1)
    else:
        for place, item in enumerate(value):
            yield from _value(item, f"<small>{place}:</small> ", depth + 1)
    yield "</div></details>"


def _scalar(value: Any) -> str:
    if isinstance(value, _Number):
        return f"<i>{_text(value)}</i>"
    if isinstance(value, str):
        return f'"{_text(value)}"'
    if value is None or isinstance(value, bool):
        return f"<i>{json.dumps(value)}</i>"
    if not value:
        return "{}" if isinstance(value, tuple) else "[]"
    return "<small>…</small>"


def _text(text: str) -> str:
    if len(text) > STRING_MAX_CHARS:
        text = f"{text[:STRING_MAX_CHARS]}… ({len(text):,} characters)"
    return escape(printable(text, lines=True))
