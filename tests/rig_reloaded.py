"""How tests change a daemon's config, and read what came of it."""

from collections.abc import Callable

from dispatchd.reload import Outcome

Rewrite = Callable[[str, str], None]
"""`rewrite(old, new)` edits the daemon's config."""


def said(outcome: Outcome) -> list[str]:
    assert outcome.problems == ()
    return [str(change) for change in outcome.changes]
