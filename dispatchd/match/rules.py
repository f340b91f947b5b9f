"""A link's rules: the first one that matches an event decides what becomes of it. Pure."""

from collections.abc import Iterable
from functools import lru_cache

from dispatchd.frozen import frozen
from dispatchd.match.event_types import Matcher, compile_event_types
from dispatchd.match.filters import Filter


@frozen
class Rule:
    """Which events it matches; `skip` keeps them from going over the link at all.

    `name` is its own, or its number from 1.
    """

    name: str
    event_types: tuple[str, ...]
    filter: Filter | None
    skip: bool = False

    def wants(self, event_type: str | None) -> bool:
        """Whether it is for events of this type; its filter has yet to be asked."""
        return _matcher(self.event_types)(event_type)


@lru_cache(maxsize=1024)
def _matcher(event_types: tuple[str, ...]) -> Matcher:
    return compile_event_types(event_types)


def rule_filters(rules: Iterable[Rule]) -> list[Filter]:
    """Return the filters that rules ask."""
    return [rule.filter for rule in rules if rule.filter is not None]
