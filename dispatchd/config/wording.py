"""What pydantic found, in our words: the key's path, what it must be, what to do."""

from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from dispatchd.config.destination import TYPES, UNKNOWN, kind_of, model_of
from dispatchd.config.document import Document
from dispatchd.config.problems import Path, near, nearest, quoted
from dispatchd.config.values import Unquotable

_MAPPING: Final = "must be a mapping of keys to values"
_WORDS: Final = {
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}
_BOUNDS: Final = {  # the sentence, and what pydantic calls the number in it
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than_equal": ("must be at most {}", "le"),
    "string_too_long": ("must have at most {} characters", "max_length"),
}
_SCALARS: Final = (int, float, bool)
_OF_DESTINATION: Final = 2  # ("destinations", "team-chat")


def add_problems(error: ValidationError, document: Document, root: type[BaseModel]) -> None:
    """Add a problem to `document` for everything in `error`, none of them with a secret in it."""
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        model = _model(document, path)
        if detail["type"] == "missing":
            document.add(path, "is missing")
        elif detail["type"] == UNKNOWN:
            _unknown_type(document, (*path, "type"), detail["input"]["type"])
        elif detail["type"] == "extra_forbidden":
            known = known_keys(_annotation_at(root, path[:-1], model))
            document.add(path, "unknown key", nearest(str(path[-1]), known), of_key=True)
        else:
            annotation = _annotation_at(root, path, model)
            path = document.nearest_path(path)  # that of a key's own problem is the key's
            if not get_args(annotation):
                annotation = _annotation_at(root, path, model)
            shown = None if _secret(annotation) else document.shown.get(path)
            document.add(path, *_words(detail, shown, annotation))


def _model(document: Document, path: Path) -> type[BaseModel] | None:
    """Return the model of the destination that `path` leads into; None where it leads elsewhere."""
    if len(path) < _OF_DESTINATION or path[0] != "destinations":
        return None
    kind = kind_of(document.value["destinations"][path[1]])
    return model_of(kind) if isinstance(kind, str) and kind in TYPES else None


def _unknown_type(document: Document, path: Path, written: Any) -> None:
    shown = isinstance(written, str) and document.shown.get(path) is not None
    document.add(
        path,
        f"unknown type{f' {quoted(written)}' if shown else ''}",
        nearest(written if shown else "", TYPES),
    )


def _words(detail: ErrorDetails, shown: str | None, annotation: Any) -> tuple[str, str | None]:
    """Return message and suggestion; `shown` is the value, None where it must not be shown.

    Told from the error's type and context: pydantic's sentences are its own to change.
    """
    kind, value = detail["type"], detail["input"]
    if value is None:
        return "has no value", "give it one, or remove the key"
    if kind == "value_error":
        error = detail["ctx"]["error"]
        if isinstance(error, Unquotable):
            return error.message, error.why if shown else None
        told, _, advice = str(error).partition("; ")
        return told, advice or None
    if kind == "literal_error":
        message = f"must be {_choices(annotation)}"
    elif kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        message = words.format(detail["ctx"][bound])
    else:
        message = _WORDS.get(kind, "is not what can stand here")
    suggestion = None
    if kind == "string_type" and isinstance(value, _SCALARS):
        suggestion = "put it in quotes"
    elif kind == "literal_error" and shown and isinstance(value, str):
        suggestion = near(value, map(str, get_args(annotation)))
    return (f"{message}, not {shown}" if shown else message), suggestion


def _choices(annotation: Any) -> str:
    """Spell the values that a key takes: `"json", "form" or "any"`."""
    *others, last = [quoted(str(choice)) for choice in get_args(annotation)]
    return f"{', '.join(others)} or {last}" if others else last


def known_keys(annotation: Any) -> list[str]:
    """Return the YAML keys of a section; none where `annotation` is no section."""
    if not _is_section(annotation):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _annotation_at(annotation: Any, path: Path, model: type[BaseModel] | None) -> Any:
    """Return the type that the config has at `path`, None where it has nothing.

    `model` is that of the destination in it, if there is one.
    """
    for depth, part in enumerate(path):
        if _is_section(annotation):
            fields = {f.alias or name: f.annotation for name, f in annotation.model_fields.items()}
            annotation = fields.get(str(part))
        else:
            arguments = get_args(annotation)
            index = 1 if get_origin(annotation) is dict else 0
            annotation = arguments[index] if arguments else None
        annotation = _bare(annotation)
        if depth == 1 and model is not None:
            annotation = model
    return annotation


def _bare(annotation: Any) -> Any:
    """Strip Annotated and `| None`."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def _secret(found: Any) -> bool:
    """Whether what is of this type is a secret; what is unknown might be."""
    return found is None or found is SecretStr or SecretStr in map(_bare, get_args(found))
