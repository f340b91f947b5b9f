"""No statement of the hot path scans: an event costs what it cost on day one."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from nouns import an_event
from replays import FAILED

from dispatchd.model import DeliveryStatus
from dispatchd.store import store_from_url
from dispatchd.store.base import EventQuery
from dispatchd.store.jobs import ReplayQuery
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.rows import statements

HOT = {
    "claim": ("crm", 1, 10),
    "claim_in_order": ("crm",),
    "add_ordered_delivery": (b"x", "crm", 1, None),
    "give_places": ("crm",),
    "order_lane": (1, "crm"),
    "next_due": ("crm", 1),
    "event": (b"x",),
    "owes": ("crm",),
    "remembered": (b"e", "k"),
    "prune_attempts": (b"x",),
    "prune_deliveries": (b"x",),
    "prune_event": (b"x",),
    "open_lane": ("crm", "paused"),
    "lane_succeeded": (1, "crm"),
    "lane_failed": (1, "timeout", "crm"),
    "settle": (0, "success", 1, 1, 0, None, b"x", "crm"),
    "clock": (),
    "keep_time": (1, 1),
    "replay": (1, 0, b"x", "crm", 0, None),
    "replayable": (b"x",),
    "look_at_event": (b"x",),
    "move_job": {
        "id": 1,
        "state": "running",
        "before": None,
        "cursor": "[1]",
        "looked": 1,
        "undecided": 0,
        "now_ms": 1,
        "ended_ms": None,
    },
    "end_job": ("cancelled", 1, None, 1),
    "sent": (b"x", "crm"),
    "drop_sent": (b"x", "crm"),
    "prune_sent": (b"x",),
    "prune_leases": (b"x",),
    "prunable": (0, 0, 1, 10),
    "story_attempts": (b"x",),
    "story_deliveries": (b"x",),
    "story_variants": (b"x",),
    "forget": (1, 10),
    "endpoint_counts": (60, 1, 2),
    "is_uncounted": (b"x",),
    "destination_counts": (60, 1, 2),
    "endpoint_count_at": (60, 1, 2, 10),
    "destination_count_at": (60, 1, 2, 10),
    "first_endpoint_minute": (),
    "first_destination_minute": (),
    "drop_endpoint_counts": (60, 1, 10),
    "drop_destination_counts": (60, 1, 10),
    "count_dead": (b"x", "crm"),
    "count_held": ("crm",),
    "count_opened": ("crm",),
    "is_held": ("crm",),
    "last_failure": (b"x", "crm"),
    "received": (b"x",),
    "drop_alert_note": ("ops", "backlog", "crm"),
    "event_at": (1,),
    "place_by_id": (b"x",),
    "first_since": (1, 1),
    "place_before": (1,),
    "due_after_lease": (1, b"x", "crm"),
    "due_again": (1, b"x", "crm", 0),
    "extend_lease": (1, "x", "crm", 1),
    "end_lease": ("x", "crm", 1, 0),
    "lease_until": ("x", "crm"),
    "lease": ("x", "crm"),
    "last_lease_end": ("crm",),
    "leases_ran_out": ("crm", 1, 10),
    "next_lease_end": ("crm", 1),
    "drop_lease": ("x",),
    "story_leases": (b"x",),
}


@pytest.mark.parametrize("name", HOT)
async def test_the_plan_searches(name: str, tmp_path: Path) -> None:
    store = store_from_url(f"sqlite:///{tmp_path}/p.db")
    await store.open()
    await store.close()
    connection = sqlite3.connect(tmp_path / "p.db")
    plan = [
        row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", HOT[name])
    ]
    connection.close()
    assert any(step.startswith("SEARCH") for step in plan), plan
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step], plan
    if name in ("claim", "next_due", "owes"):
        assert any("deliveries_due" in step for step in plan), plan
    if name == "claim_in_order":
        assert any("deliveries_in_order" in step for step in plan), plan
    if name == "forget":
        assert any("idempotency_expires (expires_ms<?)" in step for step in plan), plan


@pytest.mark.parametrize(
    ("name", "given", "searched"),
    [
        ("waiting", ("crm", 10), "USING INDEX deliveries_due (destination=?)"),
        ("last_events", (1,), "USING INDEX events_received (received_ms>?)"),
    ],
)
async def test_what_alerts_ask_is_bounded(
    name: str, given: tuple[object, ...], searched: str, tmp_path: Path
) -> None:
    store = store_from_url(f"sqlite:///{tmp_path}/p.db")
    await store.open()
    await store.close()
    connection = sqlite3.connect(tmp_path / "p.db")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statements()[name]}", given).fetchall()
    connection.close()
    assert any(searched in row[3] for row in rows), rows


async def statements_of(tmp_path: Path, query: EventQuery | ReplayQuery) -> list[list[str]]:
    """Return the plan of each statement that a listing or a replay runs."""
    path = tmp_path / "p.db"
    store = SqliteStore(str(path))
    await store.open()
    assert store._reader is not None
    seen: list[str] = []
    await store.add_event(an_event(), ["crm"])
    await store._reader.run(lambda reader: reader.set_trace_callback(seen.append))
    if isinstance(query, EventQuery):
        await store.find_events(query)
    else:
        job = await store.draft_job(query, None, 1)
        seen.clear()
        cursor = '["crm", "00"]' if query.statuses else "[1, 1]"
        page = await store.choose(replace(job, cursor=cursor), 10)
        assert page.ends
    await store.close()
    connection = sqlite3.connect(path)
    plans = [
        [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        for statement in seen
        if statement not in ("BEGIN", "ROLLBACK")
    ]
    connection.close()
    return plans


@pytest.mark.parametrize(
    ("query", "searched"),
    [
        (ReplayQuery(statuses=FAILED), "deliveries_failed ((destination,event_id)>(?,?))"),
        (
            ReplayQuery(statuses=FAILED, since_ms=5, endpoint="a"),
            "deliveries_failed ((destination,event_id)>(?,?))",
        ),
        # The batches of one destination go on from the last: no batch walks the earlier ones.
        (
            ReplayQuery(statuses=FAILED, destination="crm", since_ms=5),
            "(destination=? AND event_id>?)",
        ),
        (
            ReplayQuery(endpoint="a", event_type="x", since_ms=5, until_ms=9),
            "events_received (received_ms>? AND received_ms<?)",
        ),
    ],
)
async def test_a_replay_goes_on_where_its_last_batch_ended(
    query: ReplayQuery, searched: str, tmp_path: Path
) -> None:
    (plan,) = await statements_of(tmp_path, query)
    assert searched in plan[0]
    assert not [step for step in plan if "SCAN" in step or "TEMP B-TREE" in step], plan


@pytest.mark.parametrize(
    "query",
    [
        EventQuery(),
        EventQuery(endpoint="a", since_ms=5),
        EventQuery(before_id="7b0c0000-0000-4000-8000-000000000001"),
        EventQuery(destination="crm", delivery_status=DeliveryStatus.FAILED),
    ],
)
async def test_a_listing_follows_the_ids_and_sorts_nothing(
    query: EventQuery, tmp_path: Path
) -> None:
    plans = await statements_of(tmp_path, query)
    assert "USING INDEX sqlite_autoindex_events_1" in plans[0][0], plans[0]  # stops at its limit
    assert not [step for plan in plans for step in plan if "TEMP B-TREE" in step], plans
    assert not [step for plan in plans for step in plan if "SCAN d" in step], plans
