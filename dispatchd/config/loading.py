"""From a path to a Config: find, read, validate, cross-check."""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import ValidationError

from dispatchd.config.document import Document, read_document
from dispatchd.config.model import AdminConfig, Config, StorageConfig
from dispatchd.config.problems import ConfigProblems, Problem
from dispatchd.config.rules import check_rules
from dispatchd.config.template_rules import check_templates
from dispatchd.config.wording import add_problems
from dispatchd.frozen import frozen

SYSTEM_CONFIG: Final = Path("/etc/dispatchd/config.yaml")
FILE_MAX_BYTES: Final = 8 * 1024 * 1024
STDIN: Final = "<stdin>"


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


@frozen
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
    storage = _placed(document, part.storage, _directory(path))
    if found := [p for p in document.problems if p.path.split(".")[0] == "storage"]:
        raise ConfigProblems(found)

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
    document = read_document(
        config_text(path), str(path), os.environ if environ is None else environ
    )
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


def load(
    source: Path | BinaryIO, environ: Mapping[str, str] | None = None, *, strict: bool = False
) -> Config:
    """Read the config at a path, or from a stream. Raises ConfigProblems with all that is wrong.

    A relative database is beside the config file; without a file, in the working directory.
    With `strict`, what is only warned of is wrong too, and a secret in the file itself.
    """
    directory = Path.cwd() if not isinstance(source, Path) else _directory(source)
    return _parsed(config_text(source), _named(source), environ, directory, strict=strict)


def check_without_references(source: Path | BinaryIO) -> None:
    """Raise ConfigProblems for what is wrong with a config whatever its references give.

    Variables and files may be the daemon's alone (its unit's credentials), or not there yet.
    """
    document = read_document(config_text(source), _named(source), None)
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


def _directory(path: Path) -> Path:
    """Return where a config file is, by the name that it was given: no link is followed."""
    return path.absolute().parent


def _placed(document: Document, storage: StorageConfig, directory: Path) -> StorageConfig:
    """Return it with the whole path of a database that is told from `directory`.

    Where there is none, but one in the working directory, that is a problem: it is likely meant.
    """
    name = Path(storage.path)
    if name.is_absolute():
        return storage
    path, here = directory / name, Path.cwd() / name
    if not path.exists() and here.exists():
        document.add(
            ("storage", "url"),
            f"means {path}, beside the config file, which is not there; there is one in the"
            " working directory",
            f"write sqlite:///{here}, or move that database",
        )
    return storage.model_copy(update={"url": f"sqlite:///{path}"})


def _named(source: Path | BinaryIO) -> str:
    return str(source) if isinstance(source, Path) else STDIN


def config_text(source: Path | BinaryIO) -> str:
    """Return what a config file, or a stream, holds. Raises ConfigProblems."""
    name = _named(source)
    try:
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as stream:
            raw = stream.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigProblems(
            [Problem(name, None, "", f"cannot be read: {error.strerror}")]
        ) from None
    if len(raw) > FILE_MAX_BYTES:
        raise ConfigProblems([Problem(name, None, "", "is larger than 8 MiB: no config is")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigProblems([Problem(name, line, "", "is not UTF-8 text")]) from None


def parse(text: str, file: str = "config.yaml", environ: Mapping[str, str] | None = None) -> Config:
    """Read a config from `text`. Raises ConfigProblems with everything that is wrong.

    A relative database stays one: `text` is in no directory.
    """
    return _parsed(text, file, environ, None)


def _parsed(
    text: str,
    file: str,
    environ: Mapping[str, str] | None,
    directory: Path | None,
    *,
    strict: bool = False,
) -> Config:
    document = read_document(text, file, os.environ if environ is None else environ)
    config = _judge(document)
    if config is not None and directory is not None:
        storage = _placed(document, config.storage, directory)
        config = config.model_copy(update={"storage": storage})
    if config is not None and strict:
        from dispatchd.config.strict import mind_secrets, mind_warnings  # noqa: PLC0415 - rare

        mind_secrets(document, config)
        mind_warnings(document, config)
    if config is None or document.problems:
        # Raised outside of the handler: the ValidationError holds every value, secrets too.
        raise ConfigProblems(_sorted(document.problems))
    config.remember(document.references)
    return config
