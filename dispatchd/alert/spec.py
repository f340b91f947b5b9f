"""An alert of the config, compiled."""

from collections.abc import Mapping

from dispatchd.alert_kinds import AlertKind
from dispatchd.frozen import frozen
from dispatchd.limits import Rate


@frozen
class AlertSpec:
    """What is told to the destination `to`.

    Never about the `destinations` that it comes by, itself the first of them, nor about the
    `slugs` that it is received at on its way. `backlog_deliveries` or one of `backlog_age_ms`
    are too much; so is more than `refused` of one endpoint, and less than `free_bytes` of disk.
    `quiet_ms` is by slug; `every_ms` is between two alerts of one kind about the same.
    """

    to: str
    kinds: frozenset[AlertKind]
    destinations: frozenset[str]
    slugs: frozenset[str]
    backlog_deliveries: int
    backlog_age_ms: int
    refused: Rate
    free_bytes: int
    quiet_ms: Mapping[str, int]
    every_ms: int
