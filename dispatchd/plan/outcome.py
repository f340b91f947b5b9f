"""What came of reading a config again: what changed, or why nothing did."""

from dispatchd.frozen import frozen
from dispatchd.plan.difference import Change
from dispatchd.shapes.reload import ReloadFields


@frozen
class Outcome:
    """What came of a reload: `changes` that are in force now, or `problems` and nothing changed."""

    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def document(self) -> ReloadFields:
        """Return it as the JSON document that is answered. No value of the config is in it."""
        return {
            "ok": not self.problems,
            "changes": [
                {"change": c.how, "kind": c.kind or None, "name": c.name, "keys": list(c.keys)}
                for c in self.changes
            ],
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }
