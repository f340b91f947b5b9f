"""What differs between two plans: for people by the config's own keys, for the daemon by its parts.

Pure. Parts are the same where they would be pickled the same, so a part that is built from
something new differs by itself; nobody has to remember to compare it.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal

from dispatchd.frozen import frozen
from dispatchd.model import Listen
from dispatchd.plan.plan import Plan, Written

_PICKLE: Final = 4  # the protocol by which objects say what they are made of

ANOTHER_DATABASE: Final = (
    "storage.url: needs a restart: a running daemon keeps the database that it has open"
)
ANOTHER_ADMIN: Final = (
    "admin.listen: needs a restart: a running daemon neither opens nor closes"
    " nor moves its admin listener"
)
ANOTHER_TELEMETRY: Final = (
    "telemetry: needs a restart: a running daemon neither begins nor ceases to trace"
)


@frozen
class Change:
    """One entry of the config that was `added`, `removed` or `changed`, and in which keys.

    `kind` is `endpoint`, `destination` or `API key`; empty for a section (`server`) or a key of
    the top level.
    """

    how: Literal["added", "removed", "changed"]
    kind: str
    name: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = f"{self.kind} {self.name}".strip()
        return f"{self.how} {name}" + (f": {', '.join(self.keys)}" if self.keys else "")


@frozen
class Parts:
    """Which parts of one kind are new, gone, or not what they were, by name."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@frozen
class Difference:
    """What leads from one plan to another."""

    changes: tuple[Change, ...]
    routes: Parts
    lanes: Parts
    moves: bool  # the listener
    alerts: bool


def difference(old: Plan, new: Plan) -> Difference:
    """Compare two plans."""
    routes, lanes = _parts(old.routes, new.routes), _parts(old.lanes, new.lanes)
    renamed = lanes.added or lanes.removed or routes.added or routes.removed
    return Difference(
        tuple(_changes(old.written, new.written)),
        routes,
        lanes,
        moves=old.listen != new.listen,
        # What an alert is about are destinations and endpoints.
        alerts=not same(old.alerts, new.alerts) or bool(new.alerts and renamed),
    )


def obstacles(old: Plan, new: Plan) -> list[str]:
    """Say what a running daemon cannot change to, a sentence each."""
    found = []
    if old.storage_url != new.storage_url:
        found.append(ANOTHER_DATABASE)
    if _admin_listen(old) != _admin_listen(new):
        found.append(ANOTHER_ADMIN)
    if (old.telemetry is None) != (new.telemetry is None):
        found.append(ANOTHER_TELEMETRY)
    return found


def _admin_listen(plan: Plan) -> Listen | None:
    return None if plan.admin is None else plan.admin.listen


def _changes(old: Written, new: Written) -> list[Change]:
    found = []
    for kind, name in dict.fromkeys([*new, *old]):
        before, after = old.get((kind, name)), new.get((kind, name))
        if before == after:
            continue
        if kind and before is None:
            found.append(Change("added", kind, name))
        elif kind and after is None:
            found.append(Change("removed", kind, name))
        else:
            keys = _keys(before or {}, after or {})
            if name or kind:
                found.append(Change("changed", kind, name, keys))
            else:
                found += [Change("changed", "", key) for key in keys]
    return found


def _keys(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[str, ...]:
    return tuple(k for k in dict.fromkeys([*after, *before]) if before.get(k) != after.get(k))


def _parts(old: Mapping[str, Any], new: Mapping[str, Any]) -> Parts:
    return Parts(
        added=_without(new, old),
        removed=_without(old, new),
        changed=tuple(name for name in new if name in old and not same(old[name], new[name])),
    )


def _without(names: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def same(one: Any, other: Any) -> bool:
    """Whether two pieces of data are alike, all the way down; in doubt they are not."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, (str, bytes, int, float, AbstractSet)):
        return bool(one == other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        made_of, other_of = one.__reduce_ex__(_PICKLE), other.__reduce_ex__(_PICKLE)
    except TypeError:  # a function or a class, and another one
        return False
    if isinstance(made_of, str) or isinstance(other_of, str):  # a global: there is only one
        return False
    return len(made_of) == len(other_of) and all(
        same(_whole(mine), _whole(theirs)) for mine, theirs in zip(made_of, other_of, strict=True)
    )


def _whole(part: Any) -> Any:
    """Return what an object is made of as data: it may hand its items out one by one."""
    return list(part) if hasattr(part, "__next__") else part
