"""From a path to a Config: find, read, validate, cross-check."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from dispatchd.config.document import Document, read_document
from dispatchd.config.model import AdminConfig, Config, StorageConfig
from dispatchd.config.problems import ConfigProblems, Problem
from dispatchd.config.rules import check_rules
from dispatchd.config.template_rules import check_templates
from dispatchd.config.wording import add_problems

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


@dataclass(frozen=True, slots=True)
class Outline:
    """What commands beside the daemon need of a config: no secret is read for it."""

    storage: StorageConfig
    endpoints: tuple[str, ...]
    destinations: tuple[str, ...]


def load_outline(path: Path, environ: Mapping[str, str] | None = None) -> Outline:
    """Read the storage and the names from the config at `path`.

    Secrets are often the daemon's alone (credentials of its unit, its environment): the store
    must be readable without them, so only problems of the storage section count here.
    Raises ConfigProblems.
    """
    document, part = _section(path, "storage", environ)
    value = document.value if isinstance(document.value, dict) else {}
    storage = part.storage

    def names(key: str) -> tuple[str, ...]:
        part = value.get(key)
        return tuple(part) if isinstance(part, dict) else ()

    return Outline(storage, names("endpoints"), names("destinations"))


def load_admin(path: Path, environ: Mapping[str, str] | None = None) -> AdminConfig | None:
    """Read where the admin listener is, whatever else is in the config. Raises ConfigProblems."""
    _, part = _section(path, "admin", environ)
    return part.admin


def load_templates(
    path: Path, environ: Mapping[str, str] | None = None
) -> Mapping[str, Mapping[str, Any]]:
    """Read the templates of the config at `path`, whatever else is in it. Raises ConfigProblems."""
    _, part = _section(path, "templates", environ)
    return part.templates


def _section(path: Path, name: str, environ: Mapping[str, str] | None) -> tuple[Document, Config]:
    """Read one section of a config. Raises ConfigProblems for what is wrong with that."""
    document = read_document(_text(path), str(path), os.environ if environ is None else environ)
    value = document.value if isinstance(document.value, dict) else {}
    part: Config | None = None
    try:
        part = Config.model_validate({k: v for k, v in value.items() if k == name})
    except ValidationError as error:
        add_problems(error, document, Config)
    if name == "templates":
        check_templates(document, value.get(name), {}, {})
    found = [p for p in document.problems if not p.path or p.path.split(".")[0] == name]
    if part is None or found:
        raise ConfigProblems(found)
    return document, part


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read the config at `path`. Raises ConfigProblems with everything that is wrong."""
    return parse(_text(path), str(path), environ)


def check_without_references(path: Path) -> None:
    """Raise ConfigProblems for what is wrong at `path` whatever its references give.

    Variables and files may be the daemon's alone (its unit's credentials), or not there yet.
    """
    document = read_document(_text(path), str(path), None)
    _judge(document)
    if document.problems:
        raise ConfigProblems(_sorted(document.problems))


def _judge(document: Document) -> Config | None:
    """Add everything that is wrong to `document`; return the config where the model takes it."""
    config: Config | None = None
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        add_problems(error, document, Config)
    check_rules(document)
    return config


def _sorted(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(sorted(problems, key=lambda p: (p.line or 0, p.path))))


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigProblems(
            [Problem(str(path), None, "", f"cannot be read: {error.strerror}")]
        ) from None
    if len(raw) > FILE_MAX_BYTES:
        raise ConfigProblems([Problem(str(path), None, "", "is larger than 8 MiB: no config is")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigProblems([Problem(str(path), line, "", "is not UTF-8 text")]) from None


def parse(text: str, file: str = "config.yaml", environ: Mapping[str, str] | None = None) -> Config:
    """Read a config from `text`. Raises ConfigProblems with everything that is wrong."""
    document = read_document(text, file, os.environ if environ is None else environ)
    config = _judge(document)
    if config is None or document.problems:
        # Raised outside of the handler: the ValidationError holds every value, secrets too.
        raise ConfigProblems(_sorted(document.problems))
    config.remember(document.references)
    return config
