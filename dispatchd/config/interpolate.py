"""`${NAME}` and `${file:/path}` in a value: after YAML, so that no secret can change the structure.

Messages name the variable or the file, never what it holds.
"""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FILE_MAX_BYTES: Final = 64 * 1024  # a secret, a certificate; not a disk image
_TOKEN: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LITERAL_HINT: Final = "write $${ for a literal ${"


class Unresolved(Exception):  # noqa: N818 - it says what is unresolved
    """A reference that gives no value. `args` are the message and a suggestion or None."""


def interpolate(text: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return `text` with its references replaced, and whether there were any.

    Raises Unresolved for the first that gives no value.
    """
    referred = False

    def resolve(match: re.Match[str]) -> str:
        nonlocal referred
        if match[0] == "$${":
            return "${"
        if match[1] is None:
            raise Unresolved("has a ${ that is not closed", _LITERAL_HINT)
        referred = True
        if match[1].startswith("file:"):
            return _file(match[1].removeprefix("file:"))
        return _variable(match[1], environ)

    return _TOKEN.sub(resolve, text), referred


def refers(text: str) -> bool:
    """Whether `text` holds references and all are well formed, wherever they lead."""
    tokens = [match for match in _TOKEN.finditer(text) if match[0] != "$${"]
    return bool(tokens) and all(
        match[1] is not None and (_NAME.fullmatch(match[1]) or match[1].startswith("file:/"))
        for match in tokens
    )


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        raise Unresolved("has a ${...} that is neither ${NAME} nor ${file:/path}", _LITERAL_HINT)
    value = environ.get(name)
    if value is None:
        raise Unresolved(f"the environment variable {name} is not set", None)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unresolved(f"the environment variable {name} is not UTF-8", None) from None
    return value


def _file(name: str) -> str:
    if not name.startswith("/") or not name.isprintable():
        raise Unresolved("has a ${file:...} that is no absolute path", "write ${file:/path}")
    path = Path(name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unresolved(f"{name} is not a regular file", None)
        with path.open("rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
        if len(data) > FILE_MAX_BYTES:
            raise Unresolved(f"{name} is larger than {FILE_MAX_BYTES // 1024} KiB", None)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Unresolved(f"cannot read {name}: {why}", None) from None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
