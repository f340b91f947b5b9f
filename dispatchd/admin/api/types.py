"""Types as JSON: their schemas, and whether a value that came fits one."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Schemas = dict[str, dict[str, Any]]

_SCALARS: Final = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
}
_MANY_MAX: Final = 10_000  # elements of a list in a request


def schema_of(kind: Any, named: Schemas) -> dict[str, Any]:
    """Return the JSON Schema of a type; those of objects go into `named` and are referred to."""
    if kind is Any:
        return {}
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    origin, args = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return schema_of(args[0], named)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin in (Union, UnionType):
        return {"anyOf": [schema_of(arg, named) for arg in args]}
    if origin is list:
        return {"type": "array", "items": schema_of(args[0], named), "maxItems": _MANY_MAX}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(args[1], named)}
    if not is_typeddict(kind):
        raise TypeError(f"{kind} has no spelling in JSON")
    name = kind.__name__.removesuffix("Fields")
    if name not in named:
        named[name] = {}  # for what refers to itself
        named[name] = _object(kind, named)
    return {"$ref": f"#/components/schemas/{name}"}


def _object(kind: Any, named: Schemas) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema_of(hint, named) for name, hint in hints.items()},
        "additionalProperties": False,
    }
    required = [name for name in hints if name in kind.__required_keys__]
    if required:
        schema["required"] = required
    if kind.__doc__ and not kind.__doc__.startswith("dict("):
        schema["description"] = " ".join(kind.__doc__.split())
    return schema


def flaws(value: Any, kind: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield where a value that came as JSON does not fit a type, and how."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        yield from flaws(value, args[0], name)
    elif origin in (Union, UnionType):
        if all(any(flaws(value, arg, name)) for arg in args):
            yield name, f"must be {' or '.join(_word(arg) for arg in args)}"
    elif origin is list and isinstance(value, list):
        yield from _list_flaws(value, args[0], name)
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from flaws(item, args[1], f"{name}.{key}")
    elif is_typeddict(kind) and isinstance(value, dict):
        yield from _object_flaws(value, kind, name)
    elif not _fits(value, kind):
        yield name, f"must be {_word(kind)}"


def _list_flaws(value: list[Any], kind: Any, name: str) -> Iterator[tuple[str, str]]:
    if len(value) > _MANY_MAX:
        yield name, f"has more than {_MANY_MAX} elements"
    if kind is str and {*map(type, value)} <= {str}:
        return  # a pass without a step for each
    for index, item in enumerate(value[:_MANY_MAX]):
        yield from flaws(item, kind, f"{name}[{index}]")


def _object_flaws(value: dict[str, Any], kind: Any, name: str) -> Iterator[tuple[str, str]]:
    hints = get_type_hints(kind, include_extras=True)
    for key in value.keys() - hints.keys():
        yield _below(name, key), "there is no such field"
    for key, hint in hints.items():
        if key in value:
            yield from flaws(value[key], hint, _below(name, key))
        elif key in kind.__required_keys__:
            yield _below(name, key), "is missing"


def _below(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:  # JSON knows no difference between 1 and 1.0
        return not isinstance(value, bool) and (
            isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        )
    return kind in _SCALARS and isinstance(value, kind)


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if kind in _SCALARS:
        return {"null": "null"}.get(_SCALARS[kind], f"a {_SCALARS[kind]}")
    return "a list" if get_origin(kind) is list else "an object"
