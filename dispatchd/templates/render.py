"""One tree, compiled and rendered; and what is wrong with one as it is written."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, NamedTuple

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta
from jinja2.exceptions import SecurityError

from dispatchd.templates.markup import syntax_of
from dispatchd.templates.sandbox import nothing_for_null, sandbox
from dispatchd.templates.tree import Leaf, Path, mapped

NAMES: Final = (
    "event_type",
    "endpoint",
    "headers",
    "body",
    "event_id",
    "received_at",
    "destination",
)
_UNKNOWN: Final = re.compile(r"No (filter|test) named '([\w.]+)'")  # as jinja2 says it
# By what was raised, never in its own words: those quote the payload.
_WORDS: Final[Mapping[type[Exception], str]] = {
    SecurityError: "it asks for what no template may have",
    RecursionError: "it nests too deeply",
    OverflowError: "a range or a number is too large",
    ZeroDivisionError: "it divides by zero",
    TypeError: "a value is of another kind than what is done with it",
    ValueError: "a value is of another kind than what is done with it",
}


class CannotRender(Exception):  # noqa: N818 - it says where and why
    """A text of the tree failed over this document."""


class Rendering(NamedTuple):
    """A rendered tree, and the names that it asked for and that were not there."""

    tree: Any
    missing: tuple[str, ...]


@lru_cache(maxsize=1024)
def _compiled(syntax: str, text: str) -> Template:
    env = sandbox(syntax)
    env.parsed(text)
    return env.from_string(text)


def render_tree(variant: str, tree: Any, names: Mapping[str, Any]) -> Rendering:
    """Render each text of a tree in its syntax. Raises CannotRender."""
    missing: dict[str, None] = {}
    names = {name: nothing_for_null(value, name) for name, value in names.items()}

    def rendered(leaf: Leaf) -> str:
        syntax = syntax_of(variant, tree, leaf.path)
        sandbox(syntax).missing = missing
        return _rendered(leaf, syntax, names)

    return Rendering(mapped(tree, rendered), tuple(missing))


def _rendered(leaf: Leaf, syntax: str, names: Mapping[str, Any]) -> str:
    if "{" not in leaf.text:
        return leaf.text
    try:
        return _compiled(syntax, leaf.text).render(names)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a payload may make a template raise anything
        raise CannotRender(f"{place(leaf.path)}: {_told(error)}") from None


def _told(error: Exception) -> str:
    if isinstance(error, TemplateSyntaxError):
        return str(error.message)
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return "it failed" if isinstance(error, TemplateError) else f"it failed: {type(error).__name__}"


def place(path: Path) -> str:
    """Spell where in a tree a text stands: `fields[0].value`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the text"


def text_problems(text: str, names: tuple[str, ...] = NAMES) -> Iterator[tuple[str, str | None]]:
    """Yield what is wrong with a text as it is written, and what may help."""
    env = sandbox("plain")
    try:
        tree = env.parsed(text)
        env.compile(tree)
    except TemplateSyntaxError as error:
        line = f" (in its line {error.lineno})" if "\n" in text.strip("\n") else ""
        if (unknown := _UNKNOWN.match(error.message or "")) is None:
            yield f"{error.message}{line}", None
            return
        kind, name = unknown.groups()
        near = get_close_matches(name, env.filters if kind == "filter" else env.tests, n=1)
        yield f'it knows no {kind} "{name}"{line}', f'did you mean "{near[0]}"?' if near else None
        return
    except RecursionError:
        yield "it nests too deeply", None
        return
    known = [*names, *env.globals]
    for name in sorted(meta.find_undeclared_variables(tree) - set(known)):
        near = get_close_matches(name, known, n=1)
        yield (
            f'it knows no "{name}"',
            f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names)}",
        )
