"""The sandbox: an environment a syntax, in which whatever is not the template's own is escaped.

jinja2's own autoescaping knows HTML alone. Here everything that a template puts out goes through
`_finalize`, which escapes all that is not Inert; and the code that jinja2 makes is given Inert in
place of its Markup, so that what has been escaped once (a macro, a block) is not escaped again.
Inert has no methods of its own: whatever is made of it, cut or replaced, is plain text again.
"""

from collections.abc import Callable, Iterable, MutableMapping
from functools import cache
from types import CodeType
from typing import Any, Final, Self

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dispatchd.templates.filters import FILTERS, KEPT_FILTERS, tojson
from dispatchd.templates.markup import SYNTAXES, Syntax

# What reaches for other templates, or for what is escaped already.
_REFUSED: Final[dict[type[nodes.Node], str]] = {
    nodes.Include: "include: there is nothing to include",
    nodes.Import: "import: there is nothing to import",
    nodes.FromImport: "import: there is nothing to import",
    nodes.Extends: "extends: there is nothing to extend",
    nodes.Block: "block: there is nothing to extend",
    nodes.FilterBlock: "filter: write {{ value | filter }}",
    nodes.EvalContextModifier: "autoescape: write {{ value | safe }}",
}
_METHODS: Final = ("items", "keys", "values", "get")  # of a mapping that has no such key


class Inert(str):
    """Text in the target's own syntax: escaped already, or meant as it is."""

    __slots__ = ()


class Nothing(ChainableUndefined):
    """What is not there: empty, and so is whatever is asked or made of it.

    jinja2 says of its methods that they never return; these do.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> "Nothing":
        if name[:2] == "__":
            raise AttributeError(name)
        return self._within(name)

    def __getitem__(self, name: Any) -> "Nothing":  # type: ignore[override]
        return self._within(name)

    def __call__(self, *_: object, **__: object) -> Self:  # type: ignore[override]
        """Return itself: what a method that is not there would yield."""
        self.refuse()
        return self

    def _within(self, name: Any) -> "Nothing":
        path = f"{self._undefined_name}.{name}"
        return Nothing(self._undefined_hint, name=path, exc=self._undefined_exception)

    def refuse(self) -> None:
        """Raise SecurityError where it is not there because it may not be asked for."""
        if self._undefined_exception is SecurityError:
            raise SecurityError

    def _itself(self, *_: object) -> Self:
        return self

    def _no(self, *_: object) -> bool:
        return False

    def _zero(self) -> int:
        return 0

    def __float__(self) -> float:  # type: ignore[override]
        return 0.0

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _itself  # type: ignore[assignment]
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _itself  # type: ignore[assignment]
    __mod__ = __rmod__ = __pow__ = __rpow__ = __pos__ = __neg__ = _itself  # type: ignore[assignment]
    __abs__ = __round__ = _itself
    __lt__ = __le__ = __gt__ = __ge__ = _no  # type: ignore[assignment]
    __int__ = _zero  # type: ignore[assignment]

    def __format__(self, _: str) -> str:
        return ""


class Null(Nothing):
    """What is there and null: as empty as what is not there, but it is not missing."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Null)

    __hash__ = Nothing.__hash__


class _Macro(Macro):
    """A macro: what it puts out is escaped already."""

    def _invoke(self, arguments: list[Any], autoescape: bool) -> str:  # noqa: ARG002 - jinja2's
        return Inert(self._func(*arguments))


class _Template(Template):
    """A template whose code escapes as its environment does."""

    @classmethod
    def from_code(
        cls,
        environment: Any,
        code: CodeType,
        globals: MutableMapping[str, Any],  # noqa: A002 - jinja2's name
        uptodate: Callable[[], bool] | None = None,
    ) -> "Template":
        template = super().from_code(environment, code, globals, uptodate)
        template.root_render_func.__globals__.update(
            escape=environment.inert,
            Macro=_Macro,
            Markup=Inert,
            markup_join=environment.join,
            str_join=environment.join,
        )
        return template


class Sandbox(ImmutableSandboxedEnvironment):
    """Compiles and renders texts for one syntax. `missing` collects what was not there."""

    template_class = _Template

    def __init__(self, syntax: Syntax) -> None:
        # Nothing is worked out at compile time: that is done where nothing bounds it.
        super().__init__(
            undefined=Nothing, autoescape=True, optimized=False, keep_trailing_newline=True
        )
        self.policies["truncate.leeway"] = 0  # what is cut to 100 has no 105
        self.missing: dict[str, None] = {}
        self._syntax = syntax
        self.finalize = pass_context(lambda _, value: self.inert(value))
        self.filters = {name: self.filters[name] for name in KEPT_FILTERS} | {**FILTERS}
        self.filters |= {"safe": self._safe, "e": self.inert, "escape": self.inert}
        self.filters["join"] = self._join_filter
        kept = {name: self.globals[name] for name in ("range", "namespace", "cycler", "joiner")}
        self.globals = {**kept, "link": self._link}
        self.tests["none"] = lambda value: value is None or isinstance(value, Null)
        self.tests["defined"] = _is_defined
        self.tests["undefined"] = lambda value: not _is_defined(value)

    def inert(self, value: Any) -> Inert:
        """Spell a value and escape it, unless that has been done."""
        if isinstance(value, Inert):
            return value
        return Inert(self._syntax.escape(self._spell(value)))

    def join(self, parts: Iterable[Any]) -> str:
        """Join what stands between `~`: escaped where a part is."""
        listed = list(parts)
        if any(isinstance(part, Inert) for part in listed):
            return Inert("".join(map(self.inert, listed)))
        return "".join(map(self._spell, listed))

    def _join_filter(self, values: Iterable[Any], between: Any = "", attribute: Any = None) -> str:
        found = [v if attribute is None else self.getitem(v, attribute) for v in values]
        parts: list[Any] = []
        for value in found:
            parts += (between, value) if parts else (value,)
        return self.join(parts)

    def _safe(self, value: Any) -> Inert:
        return value if isinstance(value, Inert) else Inert(self._spell(value))

    def _link(self, address: Any, text: Any = "") -> Inert:
        return Inert(self._syntax.linked(self._spell(address), self._spell(text)))

    def _spell(self, value: Any) -> str:
        """Spell a value as JSON would, text as it is, and nothing as nothing."""
        if isinstance(value, str):
            return value
        if isinstance(value, Null):
            return ""
        if isinstance(value, Nothing):
            value.refuse()
            self.missing[value._undefined_name or ""] = None  # noqa: SLF001 - its subclass is ours
            return ""
        if value is None:
            return ""
        text = tojson(value)
        # A filter's list of what is not there is no more than that.
        return "" if text == "[]" and not isinstance(value, list) else text

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Find a member: of an object its key before any method, so that `body.items` is that."""
        if isinstance(obj, dict):
            return self.getitem(obj, attribute)
        return nothing_for_null(super().getattr(obj, attribute), attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Find a member by key or index."""
        if not isinstance(obj, dict):
            return nothing_for_null(super().getitem(obj, argument), argument)
        try:
            return nothing_for_null(obj[argument], argument)
        except (KeyError, TypeError):
            if isinstance(argument, str) and argument in _METHODS:
                return getattr(obj, argument)
        return self.undefined(name=str(argument))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Wrap `format` of a text: what it makes of Inert text is plain, as of any other."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None or not isinstance(value.__self__, Inert):
            return wrapped
        return lambda *values, **named: str(wrapped(*values, **named))

    def parsed(self, text: str) -> nodes.Template:
        """Parse a text. Raises TemplateSyntaxError, also for what is refused here."""
        tree = self.parse(text)
        for kind, why in _REFUSED.items():
            for node in tree.find_all(kind):
                raise TemplateSyntaxError(f"there is no {why}", node.lineno)
        for node in tree.find_all(nodes.AssignBlock):
            if node.filter is not None:
                raise TemplateSyntaxError("a block has no filters: filter its values", node.lineno)
        return tree


def nothing_for_null(value: Any, name: Any) -> Any:
    """Return a value as templates see it: null fails as little as what is not there."""
    return Null(name=str(name)) if value is None else value


def _is_defined(value: Any) -> bool:
    return not isinstance(value, Undefined) or isinstance(value, Null)


@cache
def sandbox(syntax: str) -> Sandbox:
    """Return the environment for a syntax of `SYNTAXES`."""
    return Sandbox(SYNTAXES[syntax])
