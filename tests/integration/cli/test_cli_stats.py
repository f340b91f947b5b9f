"""`dispatchd stats` on a real database."""

from dispatchd.model import EventStatus


def fill(world) -> int:
    world.lanes("crm", "audit", "gone")
    event = world.add("crm", "audit")
    world.deliver(event, "crm")
    world.retry(event, "audit", 4_000_000_000_000)
    world.fail(world.add("crm"), "crm")
    world.add("gone")
    world.add(status=EventStatus.FILTERED)
    world.add("crm", received_ms=1_700_000_000_000)
    world.lanes("crm", "audit")
    return event.received_ms


def test_json_counts(world):
    fill(world)
    stats = world.dispatchd("stats", "--json").json()
    assert stats["events"] == {"received": 3, "filtered": 1}
    assert stats["database_bytes"] > 4096
    nothing = dict.fromkeys(("queued", "retrying", "success", "failed", "held"), 0)
    lanes = {lane.pop("destination"): lane for lane in stats["destinations"]}
    assert lanes["crm"] == {
        **nothing,
        "queued": 1,
        "success": 1,
        "failed": 1,
        "oldest_due": "2023-11-14T22:13:20.000Z",
        "held_because": None,
    }
    assert lanes["audit"]["retrying"] == 1
    assert lanes["audit"]["oldest_due"] == "2096-10-02T07:06:40.000Z"
    assert lanes["gone"]["held"] == 1
    assert lanes["gone"]["held_because"] == "not in the config"


def test_table(world):
    fill(world)
    out = world.dispatchd("stats", "--since", "2020-01-01").out
    assert "4 events received, 1 filtered since 20" in out
    assert "Database " in out
    assert "gone is held: not in the config" in out
    crm = next(line for line in out.splitlines() if line.startswith("crm")).split()
    assert crm[1:6] == ["1", "0", "1", "1", "0"]
    assert crm[7] == "ago"


def test_a_day_of_the_past_is_told_by_its_end(world):
    """Without --since it is the day before --until, not the last one, in which nothing can be."""
    fill(world)
    told = world.dispatchd("stats", "--until", "2026-01-31T12:00:00Z", "--json").json()
    assert (told["since"], told["until"]) == (
        "2026-01-30T12:00:00.000Z",
        "2026-01-31T12:00:00.000Z",
    )
    assert world.dispatchd("stats", "--until", "1970-01-01T00:00:01Z").code == 0
    assert world.dispatchd("stats", "--since", "1h", "--until", "2h").code == 2


def test_before_the_first_event(world):
    world.store(lambda store: store.stats(0))
    ran = world.dispatchd("stats")
    assert (ran.code, "No destinations yet." in ran.out) == (0, True)
