"""Trees as a config writes them: mappings and lists whose texts are templates. Pure."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Path = tuple[str | int, ...]


class Leaf(NamedTuple):
    """A text in a tree, and where it stands."""

    path: Path
    text: str


def leaves(tree: Any, path: Path = ()) -> Iterator[Leaf]:
    """Yield each text of a tree; its keys are no templates."""
    if isinstance(tree, str):
        yield Leaf(path, tree)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, (*path, name))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from leaves(value, (*path, index))


def mapped(tree: Any, change: Callable[[Leaf], str], path: Path = ()) -> Any:
    """Return a tree with each text changed, and everything else as it is."""
    if isinstance(tree, str):
        return change(Leaf(path, tree))
    if isinstance(tree, dict):
        return {name: mapped(value, change, (*path, name)) for name, value in tree.items()}
    if isinstance(tree, list):
        return [mapped(value, change, (*path, n)) for n, value in enumerate(tree)]
    return tree
