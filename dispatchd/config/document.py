"""YAML text to plain values, with the line of each and every problem on the way.

Stricter than YAML where YAML surprises: keys are text as written (`on` stays `on`), a key stands
once, tags are not followed, dates stay text, and aliases cannot blow up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader

from dispatchd.config.interpolate import Unresolved, interpolate, refers
from dispatchd.config.problems import ConfigProblems, Path, Problem, quoted, spell_path

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml: the same, slower
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

TEXT_MAX_CHARS: Final = 1024 * 1024  # thousands of endpoints
DEPTH_MAX: Final = 32  # the config itself needs six
VALUES_MAX: Final = 100_000  # after aliases are followed
INT_MAX: Final = 2**63

_TAG: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({f"{_TAG}str", f"{_TAG}timestamp", f"{_TAG}value"})
_NUMBER_TAGS: Final = frozenset({f"{_TAG}int", f"{_TAG}float"})
_BOOLEANS: Final = SafeConstructor.bool_values
_SPECIAL: Final = "*&!@`%"
_BRACKETS: Final = "'\"[{"
_QUOTE: Final = "put a value that begins with a special character in quotes"
_ONE_DOCUMENT: Final = "remove the '---' between them"
_CLOSE: Final = "close the quote or bracket"


@dataclass(slots=True)
class Document:
    """The values of a config file and where they stand."""

    file: str
    value: Any = None
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    shown: dict[Path, str] = field(default_factory=dict)  # scalars as written, none interpolated
    references: dict[str, str] = field(default_factory=dict)  # text as written, by what it became
    broken: set[Path] = field(default_factory=set)  # reported already: what is there means nothing

    def nearest_path(self, path: Path) -> Path:
        """Return the longest part of `path` that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return path

    def add(
        self, path: Path, message: str, suggestion: str | None = None, *, of_key: bool = False
    ) -> None:
        """Report a problem at `path`, unless something there is reported already.

        One of the key itself is reported also where its value is worth nothing.
        """
        there = self.nearest_path(path)
        lengths = len(there) if of_key and there == path else len(there) + 1
        if any(there[:length] in self.broken for length in range(lengths)):
            return
        line = self.lines.get(there)
        self.problems.append(Problem(self.file, line, spell_path(path), message, suggestion))

    def broke(self, path: Path, message: str, suggestion: str | None = None) -> None:
        """Report a problem at `path` that makes whatever else is said of it worthless."""
        self.add(path, message, suggestion)
        self.broken.add(path)


def read_document(text: str, file: str, environ: Mapping[str, str] | None) -> Document:
    """Read YAML; with `environ` None, what its references give is left out of all judgement.

    Raises ConfigProblems with a single problem where it is no YAML at all.
    """
    _check_text(text, file)
    root = _compose(text, file)
    document = Document(file)
    if root is None or root.tag == f"{_TAG}null":
        raise _one(file, None, "is empty", "`dispatchd init` writes a starter config")
    if not isinstance(root, MappingNode):
        raise _one(file, _line(root), "must be a mapping of keys to values at the top level")
    document.lines[()] = _line(root)
    _Reading(document, environ).start(root)
    return document


def _one(
    file: str, line: int | None, message: str, hint: str | None = None, column: int | None = None
) -> ConfigProblems:
    return ConfigProblems([Problem(file, line, "", message, hint, column)])


def _check_text(text: str, file: str) -> None:
    if len(text) > TEXT_MAX_CHARS:
        raise _one(file, None, f"is larger than {TEXT_MAX_CHARS // 1024} KiB")
    bad = Reader.NON_PRINTABLE.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        message = f"has a character that YAML does not allow: U+{ord(bad[0]):04X}"
        raise _one(file, line, message, None, column)


def _compose(text: str, file: str) -> Node | None:
    """Return the document's nodes, None where it is empty."""
    try:
        _look(text, file, Loader)  # composing recurses: look before
        node: Node | None = yaml.compose(text, Loader)
    except yaml.YAMLError as error:
        problem = _diagnosed(text, file, error)
    else:
        return node
    raise problem  # outside of the handler: what the parser says may quote a secret


def _look(text: str, file: str, loader: type) -> None:
    """Raise ConfigProblems for what is YAML, but no config; YAMLError for what is no YAML."""
    depth = documents = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise _one(file, line, f"is nested deeper than {DEPTH_MAX} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _at(file, event.start_mark, "has a second document", _ONE_DOCUMENT)


def _at(file: str, mark: Any, message: str, hint: str | None = None) -> ConfigProblems:
    """Return a problem at a mark of PyYAML's, whose C and Python marks have no common type."""
    if mark is None:
        return _one(file, None, message, hint)
    return _one(file, mark.line + 1, message, hint, mark.column + 1)


def _diagnosed(text: str, file: str, error: yaml.YAMLError) -> ConfigProblems:
    """Tell what is wrong from an error's type and marks, never from its words.

    PyYAML has two parsers, with words, marks and bounds of their own: it is the slow one that is
    asked here, so that one text has one error on every machine.
    """
    try:
        _look(text, file, yaml.SafeLoader)
        yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as slow:
        error = slow
    except ConfigProblems as problem:
        return problem
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    begun = getattr(error, "context_mark", None)
    here, there = _character(text, mark), _character(text, begun)
    if mark and not here.strip() and there and there in _BRACKETS and _is_end(text, mark):
        return _at(file, begun, "is not valid YAML: what begins here has no end", _CLOSE)
    message, hint = "is not valid YAML from here on", None
    if isinstance(error, yaml.composer.ComposerError):
        message = "is not valid YAML: an anchor that is not there, or is there twice"
        hint = _QUOTE
    elif here == "\t":
        hint = "indent with spaces, not tabs"
    elif (here and here in _SPECIAL) or (there and there in _SPECIAL):
        hint = _QUOTE
    elif here == ":":
        hint = "put a value that holds ': ' in quotes, or check the indentation"
    else:
        hint = "check the indentation, brackets and quotes here and in the line before"
    return _at(file, mark, message, hint)


def _character(text: str, mark: Any) -> str:
    lines = text.split("\n")
    if mark is None or mark.line >= len(lines):
        return ""
    return str(lines[mark.line][mark.column : mark.column + 1])


def _is_end(text: str, mark: Any) -> bool:
    """Whether nothing but white space stands at `mark` and after it."""
    lines = text.split("\n")[mark.line :]
    return not "\n".join(lines)[mark.column :].strip()


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class _Reading:
    """Walks the nodes of one document and fills it."""

    def __init__(self, document: Document, environ: Mapping[str, str] | None) -> None:
        self._document = document
        self._environ = environ
        self._left = VALUES_MAX
        self._constructor = SafeConstructor()

    def start(self, root: MappingNode) -> None:
        self._document.value = self._value(root, ())

    def _value(self, node: Node, path: Path) -> Any:
        self._left -= 1
        # Aliases: a few lines may stand for billions of values, or for themselves.
        if self._left < 0 or len(path) > DEPTH_MAX:
            raise _one(self._document.file, _line(node), "has aliases that expand beyond measure")
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            items = []
            for index, item in enumerate(node.value):
                self._document.lines[*path, index] = _line(item)
                items.append(self._value(item, (*path, index)))
            return items
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        return self._tagged(path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        document = self._document
        values: dict[str, Any] = {}
        merged: list[Node] = []
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, ScalarNode):
                document.problems.append(
                    Problem(document.file, line, spell_path(path), "has a key that is not text")
                )
                continue
            key = key_node.value
            if key in seen:
                again = f"stands twice; the first is in line {seen[key]}"
                place = spell_path((*path, key))
                document.problems.append(
                    Problem(document.file, line, place, again, "remove one of them")
                )
                continue
            seen[key] = line
            if key_node.tag == f"{_TAG}merge":
                merged.append(value_node)
                continue
            document.lines[*path, key] = line
            values[key] = self._value(value_node, (*path, key))
        for source in merged:
            self._merge(source, values, path)
        return values

    def _merge(self, source: Node, values: dict[str, Any], path: Path, depth: int = 0) -> None:
        """Add what `<<:` brings; a mapping's own keys and earlier sources win."""
        document = self._document
        mappings = source.value if isinstance(source, SequenceNode) else [source]
        for mapping in mappings:
            self._left -= 1
            if depth > DEPTH_MAX or self._left < 0:
                raise _one(document.file, _line(source), "has aliases that expand beyond measure")
            if not isinstance(mapping, MappingNode):
                document.problems.append(
                    Problem(
                        document.file,
                        _line(source),
                        spell_path((*path, "<<")),
                        "must be a mapping, or a list of mappings",
                    )
                )
                continue
            deeper = []
            for key_node, value_node in mapping.value:
                if not isinstance(key_node, ScalarNode):
                    continue  # reported where it stands
                key = key_node.value
                if key_node.tag == f"{_TAG}merge":
                    deeper.append(value_node)
                elif key not in values:
                    document.lines[*path, key] = _line(key_node)
                    values[key] = self._value(value_node, (*path, key))
            for further in deeper:
                self._merge(further, values, path, depth + 1)

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        document = self._document
        if node.tag in _TEXT_TAGS:
            return self._text(node.value, path)
        if node.tag == f"{_TAG}null":
            return None
        if node.tag == f"{_TAG}bool" and node.value.lower() in _BOOLEANS:
            document.shown[path] = node.value
            return _BOOLEANS[node.value.lower()]
        if node.tag in _NUMBER_TAGS:
            number = self._number(node)
            if number is None:
                document.broke(path, "is not a number that can be used")
            else:
                document.shown[path] = node.value
            return number
        return self._tagged(path)

    def _text(self, written: str, path: Path) -> str:
        if self._environ is None and refers(written):
            self._document.broken.add(path)
            return written
        try:
            value, referred = interpolate(written, self._environ or {})
        except Unresolved as error:
            message, suggestion = error.args
            self._document.broke(path, message, suggestion)
            return written
        if referred:
            self._document.references[value] = written
        else:
            self._document.shown[path] = quoted(value)
        return value

    def _number(self, node: ScalarNode) -> int | float | None:
        try:
            if node.tag == f"{_TAG}float":
                return float(self._constructor.construct_yaml_float(node))
            number = int(self._constructor.construct_yaml_int(node))
        except (ValueError, OverflowError, IndexError):
            return None
        return number if -INT_MAX < number < INT_MAX else None

    def _tagged(self, path: Path) -> None:
        self._document.broke(path, "has a YAML tag", "put a value that begins with '!' in quotes")
