"""What is wrong with a config, in a form a person can act on."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from dispatchd.errors import DispatchdError
from dispatchd.frozen import frozen

Path = tuple[str | int, ...]  # where in the document: ("endpoints", "my-slug", "secret", 0)

SHOWN_MAX_CHARS: Final = 80
NAMES_MAX: Final = 20  # of what there is: all types and all keys of one, not all endpoints
ALIKE: Final = 0.8  # of `difflib`: one or two letters of a section's name
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_*-][A-Za-z0-9_*.-]*", re.ASCII)


@frozen
class Problem:
    """One problem: where (`line`, `column` count from 1), at which key, what, what to do."""

    file: str
    line: int | None
    path: str
    message: str
    suggestion: str | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p is not None)
        at = f" {self.path}:" if self.path else ""
        advice = f"; {self.suggestion}" if self.suggestion else ""
        return f"{place}:{at} {self.message}{advice}"


class ConfigProblems(DispatchdError):  # noqa: N818 - the problems are the message
    """The config cannot be used; `problems` says why, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


def spell_path(path: Path) -> str:
    """Spell a path as it is spoken of: `endpoints.my-slug.destinations[0]`; odd keys quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step) and len(step) <= SHOWN_MAX_CHARS:
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def quoted(text: str) -> str:
    """Quote `text` for a message: one line of ASCII, cut where it is long."""
    return json.dumps(text if len(text) <= SHOWN_MAX_CHARS else text[:SHOWN_MAX_CHARS] + "...")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Suggest the known name that comes nearest to `name`, else what there is."""
    names = sorted(known)
    if (hint := near(name, names)) is not None:
        return hint
    rest = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return "known: " + ", ".join(map(quoted, names[:NAMES_MAX])) + rest if names else None


def near(name: str, known: Iterable[str]) -> str | None:
    """Suggest the known name that comes nearest to `name`; None where none is near."""
    names = list(known)
    found = get_close_matches(name, names, n=1) or get_close_matches(name.lower(), names, n=1)
    return f"did you mean {quoted(found[0])}?" if found else None


def is_misspelt(section: str, config: Mapping[str, object]) -> bool:
    """Say whether a section is missing and one much like it is there: its names are in that."""
    return section not in config and bool(get_close_matches(section, list(config), cutoff=ALIKE))
