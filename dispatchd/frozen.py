"""What never changes, declared like a dataclass, at a fraction of its cost.

`dataclass(frozen=True)` compiles six functions for each class, and each object is made through
`object.__setattr__`: with some 150 such classes that was a quarter of the daemon's start, and 2 %
of what a webhook takes. Here only `__init__` is compiled, and that nobody assigns to a field
is mypy's to see.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform, overload

T = TypeVar("T")


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(*, repr: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def frozen(cls: type[Any] | None = None, /, *, repr: bool = True) -> Any:  # noqa: A002 - as in dataclass
    """Make a class of values: equal where its fields are, hashable, shown by them unless `repr`.

    Such a class is a dataclass with slots: `field`, `fields` and `replace` work.
    """
    if cls is None:
        return lambda given: _made(given, repr=repr)
    return _made(cls, repr=repr)


def _made(cls: type[Any], *, repr: bool) -> type[Any]:  # noqa: A002 - as in dataclass
    made: Any = dataclass(slots=True, eq=False, repr=False)(cls)
    compared = [one for one in fields(made) if one.compare]
    # Of a class that is made here:
    made._compared_by = _key_of(compared)  # noqa: SLF001
    made._hashed_by = _key_of([one for one in compared if one.hash is not False])  # noqa: SLF001
    own = vars(made)
    if "__eq__" not in own:
        made.__eq__ = _is_equal
    if "__hash__" not in own:
        made.__hash__ = _hash
    if "__repr__" not in own:  # what is inherited would show these fields, too
        made.__repr__ = _shown if repr else object.__repr__
    return cast("type[Any]", made)


def _key_of(some: "list[Field[Any]]") -> Callable[[Any], Any]:
    return staticmethod(attrgetter(*[one.name for one in some]) if some else bool)


def _is_equal(self: Any, other: Any) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return self._compared_by(self) == self._compared_by(other)


def _hash(self: Any) -> int:
    return hash(self._hashed_by(self))


def _shown(self: Any) -> str:
    told = [f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr]
    return f"{type(self).__qualname__}({', '.join(told)})"
