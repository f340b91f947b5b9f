"""What the dashboard says of pull queues."""

from rig import BODY, StartDaemon
from rig_pages import page, told
from rig_pull import start_queue


async def test_a_queue_is_told_as_one(start_daemon: StartDaemon) -> None:
    """It cannot be sent a test, and some of what it owes may be with consumers."""
    queue = await start_queue(start_daemon)
    for _ in range(3):
        await queue.daemon.accepted(BODY)
    await queue.claim(2)
    for path in ("/destinations", "/destinations/jobs"):
        text = told(await page(queue.admin, path))
        assert "Send a test" not in text
        assert f"{queue.daemon.admin_url}/api/v1/pull/jobs/claim" in text
        assert "Leased now 2" in text
        assert "Waiting 1" in text
        assert "Pause" in text


async def test_an_event_says_that_a_consumer_has_it(start_daemon: StartDaemon) -> None:
    queue = await start_queue(start_daemon)
    event_id = await queue.daemon.accepted(BODY)
    text = await page(queue.admin, f"/events/{event_id}")
    assert "Waits for a consumer; due" in text
    (item,) = await queue.claim()
    text = await page(queue.admin, f"/events/{event_id}")
    assert "A consumer has it; its lease ends" in text
    assert "Next try" not in text
    await queue.done("nack", item["lease_id"], reason="<b>not</b> yet", delay="1h")
    text = await page(queue.admin, f"/events/{event_id}")
    assert "&lt;b&gt;not&lt;/b&gt; yet" in text
    assert "A consumer has it" not in text
    assert "Waits for a consumer; due" in text
