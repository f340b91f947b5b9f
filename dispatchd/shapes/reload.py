"""What came of a reload."""

from typing import TypedDict


class ChangeFields(TypedDict):
    """What was added, removed or changed, and in which keys.

    `kind` is endpoint, destination or API key, null for a section or a key of the top level. No
    value of the config is told.
    """

    change: str
    kind: str | None
    name: str
    keys: list[str]


class ReloadFields(TypedDict):
    """What is in force now; where there are problems, nothing has changed."""

    ok: bool
    changes: list[ChangeFields]
    problems: list[str]
    warnings: list[str]
