"""From a path to a Config: find, read, validate, cross-check."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from dispatchd.config.cross import cross_check
from dispatchd.config.model import Config
from dispatchd.config.problems import ConfigProblems, Problem, nearest
from dispatchd.config.problems import Path as KeyPath
from dispatchd.config.source import Source, is_unset, read_source

SYSTEM_CONFIG: Final = Path("/etc/dispatchd/config.yaml")
FILE_MAX_BYTES: Final = 8 * 1024 * 1024


def find_config(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the config's path: `explicit`, `$DISPATCHD_CONFIG`, ./config.yaml, /etc/dispatchd.

    Raises ConfigProblems that says where it looked.
    """
    named = explicit or environ.get("DISPATCHD_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            what = "is not a file" if path.exists() else "there is no such file"
            source = "" if explicit else " (from $DISPATCHD_CONFIG)"
            raise ConfigProblems([Problem(named, None, "", f"{what}{source}")])
        return path
    for path in (Path("config.yaml"), SYSTEM_CONFIG):
        if path.is_file():
            return path
    raise ConfigProblems(
        [
            Problem(
                "config.yaml",
                None,
                "",
                f"there is no config here, nor at {SYSTEM_CONFIG}",
                "write one with `dispatchd init`, or name one with --config or $DISPATCHD_CONFIG",
            )
        ]
    )


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read the config at `path`. Raises ConfigProblems with everything that is wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigProblems(
            [Problem(str(path), None, "", f"cannot be read: {error.strerror}")]
        ) from None
    if len(raw) > FILE_MAX_BYTES:
        raise ConfigProblems([Problem(str(path), None, "", "is larger than 8 MiB: no config is")])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigProblems([Problem(str(path), line, "", "is not UTF-8 text")]) from None
    return parse(text, str(path), environ)


def parse(text: str, file: str = "config.yaml", environ: Mapping[str, str] | None = None) -> Config:
    """Read a config from `text`. Raises ConfigProblems with everything that is wrong."""
    source = read_source(text, file, os.environ if environ is None else environ)
    if source.values is None and not source.problems:
        source.add((), "the file is empty", "start from `dispatchd init`")
    elif not isinstance(source.values, dict) and not source.problems:
        source.add((), "the file must be a mapping of keys", "start from `dispatchd init`")
    config: Config | None = None
    if isinstance(source.values, dict):
        try:
            config = Config.model_validate(source.values)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                _add_detail(source, detail)
        cross_check(source)
    if source.problems or config is None:
        problems = sorted(source.problems, key=lambda p: (p.line or 0, p.path))
        raise ConfigProblems(list(dict.fromkeys(problems)))
    return config


def _add_detail(source: Source, detail: Any) -> None:
    """Turn one of pydantic's errors to a problem, without ever quoting the value."""
    path: KeyPath = tuple(detail["loc"])
    value = detail.get("input")
    if _touches_unset(value):
        return  # the missing variable is the problem, and it is reported
    message, suggestion = str(detail["msg"]), None
    match detail["type"]:
        case "extra_forbidden":
            message = f'unknown key "{path[-1]}"'
            suggestion = nearest(str(path[-1]), _known_keys(path[:-1]))
        case "missing":
            message = "is required"
        case "value_error":
            message = message.removeprefix("Value error, ")
        case "model_type" | "dict_type" | "model_attributes_type":
            message = "must be a mapping of keys"
        case "tuple_type" | "list_type":
            message = "must be a list"
        case "string_type" if isinstance(value, (int, float, bool)):
            message, suggestion = "must be text", "put it in quotes"
        case "string_type":
            message = "must be text"
        case "literal_error":
            message = f"must be {detail['ctx']['expected']}"
    source.add(path, message, suggestion)


def _touches_unset(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_touches_unset(item) for item in value)
    return is_unset(value)


def _known_keys(path: KeyPath) -> list[str]:
    """Return the keys that may stand at `path`, by walking the models along it."""
    kind: Any = Config
    for step in path:
        model = _model_in(kind)
        if model is None:
            return []
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {f.alias or name: f for name, f in kind.model_fields.items()}
            kind = fields[str(step)].annotation if str(step) in fields else None
        else:  # a dict's key or a list's index: on to what it holds
            kind = model
    model = _model_in(kind)
    return (
        [f.alias or name for name, f in model.model_fields.items() if not f.exclude]
        if model
        else []
    )


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if (found := _model_in(inner)) is not None:
            return found
    return None
