"""YAML text to plain values, with the line of every key and `${…}` filled in.

Substitution happens on scalars after parsing, so that a secret's text can never change the
structure of the file. Values that came from outside are remembered by path: no message may
quote them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from dispatchd.config.problems import Path, Problem, spell_path

NODES_MAX: Final = 100_000  # after aliases are followed: a bomb has more, a config has not
DEPTH_MAX: Final = 50
_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{tag}" for tag in ("int", "float", "bool", "null")
)
_MERGE: Final = "tag:yaml.org,2002:merge"


@dataclass(slots=True)
class Source:
    """A parsed file: its values, where each stands, and what is wrong with it so far."""

    file: str
    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Path, message: str, suggestion: str | None = None) -> None:
        """Note a problem at `path`, or at the nearest key above it that stands in the file."""
        at = path
        while at and at not in self.lines:
            at = at[:-1]
        self.problems.append(
            Problem(self.file, self.lines.get(at), spell_path(path), message, suggestion)
        )


def read_source(text: str, file: str, environ: Mapping[str, str]) -> Source:
    """Parse `text`. Never raises: what is wrong is in the result's `problems`."""
    source = Source(file)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            source.values = _Reader(source, loader, environ).value(node, (), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        column = f" (column {mark.column + 1})" if mark else ""
        source.problems.append(
            Problem(file, line, "", f"is not valid YAML: {error.problem or error.context}{column}")
        )
    except yaml.YAMLError as error:
        source.problems.append(Problem(file, None, "", f"is not valid YAML: {_one_line(error)}"))
    except _TooBig as error:
        source.problems.append(Problem(file, None, "", str(error)))
    except (ValueError, RecursionError, OverflowError):  # a scalar no type can hold, absurd nesting
        source.problems.append(
            Problem(file, None, "", "is not valid YAML: a value is out of range")
        )
    return source


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0].split('"')[0].strip()


class _TooBig(Exception):  # noqa: N818 - a verdict on the file
    pass


class _Reader:
    """Walks the node tree of one file."""

    def __init__(self, source: Source, loader: yaml.SafeLoader, environ: Mapping[str, str]) -> None:
        self._source = source
        self._loader = loader
        self._environ = environ
        self._nodes = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > NODES_MAX or depth > DEPTH_MAX:
            raise _TooBig(
                "the file is too large or nested too deeply once its aliases are followed"
            )
        self._source.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        if node.tag in _PLAIN_TAGS:
            return self._loader.construct_object(node)
        return self._substituted(str(node.value), path)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                self._source.problems.append(
                    Problem(
                        self._source.file,
                        line,
                        spell_path((*path, key)),
                        f"the key stands here twice, first on line {seen[key]}",
                        "remove one of them",
                    )
                )
            seen.setdefault(key, line)
        self._loader.flatten_mapping(node)  # `<<` merges
        values = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _TooBig(f"line {key_node.start_mark.line + 1}: a key must be plain text")
            key = str(key_node.value)  # as written: `on` and `1` are names here, no values
            self._source.lines[(*path, key)] = key_node.start_mark.line + 1
            values[key] = self.value(value_node, (*path, key), depth + 1)
        return values

    def _substituted(self, text: str, path: Path) -> str:
        def replaced(match: re.Match[str]) -> str:
            if match[1] is None:
                return "${"
            name = match[1]
            if name.startswith("file:"):
                return self._file(name.removeprefix("file:"), path)
            if not _NAME.fullmatch(name):
                self._source.add(
                    path,
                    f'"${{{name}}}" names no variable',
                    "write ${NAME}, ${file:/path}, or $${ for a literal ${",
                )
                return ""
            if name not in self._environ:
                self._source.add(path, f"the environment variable {name} is not set")
                return UNSET
            return self._environ[name]

        return _VARIABLE.sub(replaced, text)

    def _file(self, name: str, path: Path) -> str:
        if not name.startswith("/"):
            self._source.add(path, f"${{file:{name}}} needs an absolute path")
            return UNSET
        try:
            return FilePath(name).read_text(encoding="utf-8").removesuffix("\n")
        except OSError as error:
            self._source.add(path, f"cannot read {name}: {error.strerror}")
        except UnicodeDecodeError:
            self._source.add(path, f"{name} is not UTF-8 text")
        return UNSET


UNSET: Final = "\0unset"  # stands where a value is missing; its own problem is noted already


def is_unset(value: Any) -> bool:
    """Whether a value is missing a part, which has been reported."""
    return isinstance(value, str) and UNSET in value
