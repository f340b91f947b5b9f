"""What is wrong with a config, in a form a person can act on."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dispatchd.errors import DispatchdError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: where (`line` counts from 1), at which key, what, and what to do about it."""

    file: str
    line: int | None
    path: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
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
    """Spell a path as it is spoken of: `endpoints.my-slug.destinations[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return a suggestion of the known name nearest to `name`, None where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
