"""What `check --strict` minds of a config that works: secrets in the file itself, and warnings."""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, SecretStr

from dispatchd.config.document import Document
from dispatchd.config.model import Config
from dispatchd.config.problems import Path, Problem
from dispatchd.verify import is_secret_header

HOOKS: Final = frozenset({"discord", "slack", "googlechat", "msteams", "mattermost"})  # by URL
_NAMED: Final = re.compile(r"token|secret|passw|pwd|key|credential|auth", re.IGNORECASE)
_WORDS: Final = ("run", "args")  # of a command: what they are cannot be known
_REFER: Final = "refer to a variable, ${NAME}, or to a file, ${file:/path}"


def mind_secrets(document: Document, config: Config) -> None:
    """Add a problem to `document` for each secret that is written into it in clear."""
    for path, value in _values(config, ()):
        # A single value of a list may be written without one.
        places = (path, path[:-1]) if isinstance(path[-1], int) else (path,)
        there = next((place for place in places if place in document.shown), None)
        if there is not None and _is_secret(config, path, value):
            document.add(there, "is a secret, and stands in the file itself", _REFER)


def mind_warnings(document: Document, config: Config) -> None:
    """Add a problem to `document` for whatever works but is warned of."""
    paths = {".".join(map(str, path)): path for path in document.lines}
    for warning in config.warnings():
        where, _, message = warning.partition(": ")
        if where in paths:
            document.add(paths[where], message)
        else:
            document.problems.append(Problem(document.file, None, where, message))


def _values(part: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every value that errors must not quote, with where it stands."""
    if isinstance(part, SecretStr):
        yield path, part.get_secret_value()
    elif isinstance(part, BaseModel):
        for name, field in type(part).model_fields.items():
            yield from _values(getattr(part, name), (*path, field.alias or name))
    elif isinstance(part, dict):
        for key, item in part.items():
            yield from _values(item, (*path, key))
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from _values(item, (*path, index))


def _is_secret(config: Config, path: Path, value: str) -> bool:
    """Whether what may be a secret is one, by where it stands."""
    keys = [step for step in path if isinstance(step, str)]
    name, section = keys[-1], keys[-2]
    if section == "headers":
        return is_secret_header(name)
    if section == "env":
        return _NAMED.search(name) is not None and "{{" not in value
    if name in _WORDS:
        return False
    if name == "url" and keys[0] == "destinations" and config.destinations[keys[1]].type in HOOKS:
        return True
    return _url_tells(value) if name != "urls" and "://" in value else True


def _url_tells(url: str) -> bool:
    """Whether a URL holds a password, or a field of its query that is named as a secret."""
    parts = urlsplit(url)
    fields = parse_qsl(parts.query, keep_blank_values=True)
    return parts.password is not None or any(_NAMED.search(name) for name, _ in fields)
