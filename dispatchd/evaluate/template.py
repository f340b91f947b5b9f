"""One rendering of a template, as the evaluator process does it."""

import json
from functools import lru_cache
from typing import Any

from dispatchd.evaluate.frames import ERROR, MESSAGE_MAX_BYTES, VALUE
from dispatchd.evaluate.json_input import loads
from dispatchd.templates.render import CannotRender, render_tree


@lru_cache(maxsize=64)
def _source(text: str) -> tuple[str, Any]:
    source = json.loads(text)
    return source["variant"], source["tree"]


def evaluate(source: str, document: bytes, bindings: bytes) -> tuple[int, bytes]:
    """Render `source`, a `template_source`; return a status and its payload.

    Its names are the members of `bindings`, and `body`: the document, or its text where it is
    no JSON.
    """
    variant, tree = _source(source)
    names = loads(bindings) if bindings else {}
    names["body"] = _body(document)
    try:
        rendering = render_tree(variant, tree, names)
    except CannotRender as error:
        return ERROR, str(error).encode("utf-8", "replace")
    told = {"tree": rendering.tree, "missing": rendering.missing}
    encoded = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
    if len(encoded) > MESSAGE_MAX_BYTES:
        return ERROR, b"what it says is larger than 1 MiB"
    return VALUE, encoded


def _body(document: bytes) -> Any:
    try:
        return loads(document)
    except (ValueError, RecursionError):
        return document.decode("utf-8", "replace")
