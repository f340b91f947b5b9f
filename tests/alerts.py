"""Alerts as tests ask for them, and as they come."""

import json
from dataclasses import replace
from typing import Any

from dispatchd.alert.spec import AlertSpec
from dispatchd.alert_kinds import ALERTS, AlertKind
from dispatchd.limits import Rate
from dispatchd.store import Store
from dispatchd.store.base import EventQuery

EVERY_MS = 60_000
SPEC = AlertSpec(
    to="ops",
    kinds=frozenset(AlertKind),
    destinations=frozenset({"ops"}),
    slugs=frozenset(),
    backlog_deliveries=10,
    backlog_age_ms=600_000,
    refused=Rate(1 / 6, 10),
    free_bytes=1000,
    quiet_ms={"my-slug": 3_600_000},
    every_ms=EVERY_MS,
)


def a_spec(**changes: Any) -> AlertSpec:
    return replace(SPEC, **changes)


async def told(store: Store, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the bodies of all alerts, the oldest first, with when they were told."""
    bodies = []
    for summary in await store.find_events(EventQuery(endpoint=ALERTS, limit=10_000)):
        story = await store.get_event(summary.id)
        assert story is not None
        (delivery,) = story.deliveries
        body = json.loads(story.event.body)
        assert story.event.event_type == f"dispatchd.alert.{body['kind']}"
        if kind in (None, body["kind"]):
            bodies.append(body | {"to": delivery.destination, "told_ms": summary.received_ms})
    return bodies[::-1]
