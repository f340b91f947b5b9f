"""What the command line tells of a queue's deliveries."""

import time

from dispatchd.model import Delivered
from dispatchd.store import Store
from dispatchd.store.leases import Taking


def leased(world, event_id: str) -> None:
    """Have a consumer claim what the queue owes, for an hour, or the daemon that it asks."""

    async def work(store: Store) -> None:
        now_ms = time.time_ns() // 1_000_000
        claimed = await store.claim("crm", now_ms, 10, 1_000_000)
        (delivery,) = [d for d, _ in claimed.ready if d.event_id == event_id]
        await store.lease([Taking("a-lease", delivery)], now_ms, now_ms + 3_600_000)

    world.store(work)


def test_what_a_consumer_has_is_told(world):
    world.lanes("crm")
    event = world.add("crm")
    leased(world, event.id)
    ran = world.dispatchd("show", event.id)
    assert "Delivery to crm: queued, 0 attempts" in ran.out
    assert "with its consumer until 2" in ran.out
    assert "due " not in ran.out
    (delivery,) = world.dispatchd("show", event.id, "--json").json()["deliveries"]
    assert delivery["leased_until"] == delivery["due"] is not None
    assert "with its consumer until 2" in world.dispatchd("explain", event.id).out
    assert "crm: consumers have 1 of them" in world.dispatchd("destinations").out
    (lane,) = [
        one
        for one in world.dispatchd("destinations", "--json").json()
        if one["destination"] == "crm"
    ]
    assert (lane["backlog"], lane["leased"]) == (1, 1)


def test_what_was_acked_has_no_code_and_is_a_success(world):
    event = world.add("crm")
    world.attempt(event, "crm", Delivered())
    assert "  success  " in world.dispatchd("show", event.id).out
    (delivery,) = world.dispatchd("show", event.id, "--json").json()["deliveries"]
    assert delivery["leased_until"] is None


def test_where_a_queue_is_is_nowhere_else(world):
    text = world.config.read_text()
    assert "  crm: {" in text
    lines = [
        "  crm: {type: pull}" if line.startswith("  crm: {") else line for line in text.splitlines()
    ]
    world.config.write_text("\n".join([*lines, "admin: {listen: '127.0.0.1:8081'}", ""]))
    event = world.add("crm")
    ran = world.dispatchd("explain", event.id)
    assert "To crm: yes" in ran.out
    assert 'would send {"action":"opened"}' in ran.out
