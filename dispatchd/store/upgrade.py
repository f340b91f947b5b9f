"""An upgrade of a database's schema, as it is told to whoever opens it."""

from collections.abc import Callable
from typing import Final, Literal

from dispatchd.frozen import frozen

Doing = Literal["copy", "check", "change", "done"]
TELL_EVERY_S: Final = 5.0  # while it goes on; each part that begins is told at once


@frozen
class UpgradeStep:
    """How far an upgrade of the database at `path` has come, between two schema versions.

    First it is copied to `backup` and the copy checked, where one is wanted, else that is empty;
    then the schema is changed. `percent` is of what is being done, None where nobody can say.
    """

    path: str
    before: int
    after: int
    doing: Doing
    backup: str
    percent: int | None = None


TellUpgrade = Callable[[UpgradeStep], None]


def nobody(_step: UpgradeStep) -> None:
    """Hear of an upgrade, and do nothing."""
