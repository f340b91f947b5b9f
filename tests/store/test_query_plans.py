"""No statement of the hot path scans: an event costs what it cost on day one."""

import sqlite3
from pathlib import Path

import pytest

from dispatchd.store import store_from_url
from dispatchd.store.rows import statements

HOT = {
    "claim_due": ("crm", 1, 10),
    "next_due": ("crm", 1),
    "event": (b"x",),
    "owes": ("crm",),
    "remembered": (b"e", "k"),
    "settle": {
        "replays": 0,
        "status": "success",
        "due_ms": 1,
        "attempts": 1,
        "event_id": b"x",
        "destination": "crm",
    },
    "shift_due": {"now_ms": 1, "by_ms": 1, "destination": "crm"},
    "replay": (1, b"x", "crm"),
    "prunable": (0, 0, 1, 10),
    "story_attempts": (b"x",),
    "story_deliveries": (b"x",),
    "forget": (1,),
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
    if name in ("claim_due", "next_due", "owes", "shift_due"):
        assert any("deliveries_due" in step for step in plan), plan
