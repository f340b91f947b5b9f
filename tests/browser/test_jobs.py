"""Replays from the list of events to their end, and queues as what they are."""

import re

import pytest
from conftest import Open
from playwright.sync_api import Page, expect
from shop import Shop


def show(page: Page, way: str) -> None:
    """Ask for what was counted where that took longer than a page may, and no script does."""
    page.wait_for_url("**/jobs/new**")
    link = page.get_by_role("link", name="Show it")
    if way == "no script" and link.count():
        link.click()


@pytest.mark.parametrize("way", ["mouse", "keyboard", "no script"])
def test_what_a_filter_shows_is_counted_confirmed_and_replayed(
    shop: Shop, browse: Open, way: str
) -> None:
    kind = f"replayed.{way.replace(' ', '.')}"
    for _ in range(3):
        shop.event(event_type=kind)
    shop.sink.wait_until(lambda: len(shop.sink.received) == 3)
    page = browse(shop, f"/events?event_type={kind}", scripts=way != "no script")
    these = page.get_by_role("link", name="Replay these…")
    if way == "keyboard":
        these.focus()
        page.keyboard.press("Enter")
    else:
        these.click()
    show(page, way)
    expect(page.locator("#counted")).to_contain_text("none of these failed for good")
    page.locator("#delivery").select_option("success")
    page.locator("#delivery").focus()
    page.get_by_role("button", name="Count").press("Enter")
    page.wait_for_url("**delivery=success**")
    show(page, way)
    expect(page.locator("#counted")).to_contain_text("Whoever has had them gets them once more")
    page.fill("#rate", "1/h")  # the second waits for an hour: it is cancelled
    assert len(shop.sink.received) == 3  # nothing is done that was not confirmed
    confirm = page.get_by_role("button", name="Replay 3 deliveries")
    if way == "keyboard":
        confirm.focus()
        page.keyboard.press("Enter")
    else:
        confirm.click()
    expect(page.locator("h1")).to_contain_text("Replay")
    expect(page.locator("main")).to_contain_text(f"What was delivered of type {kind}")
    page.get_by_role("button", name="Cancel").first.press("Enter")
    expect(page.locator("h1")).to_contain_text("cancelled")
    assert shop.api("/jobs")["items"][0]["state"] == "cancelled"
    page.get_by_role("link", name="Once more…").click()
    show(page, way)
    page.get_by_role("button", name="Replay").click()
    shop.sink.wait_until(lambda: len(shop.sink.received) >= 6)
    if way == "no script":
        page.reload()
    expect(page.locator("h1")).to_contain_text("done")


def test_a_list_of_jobs_keeps_up_and_cancels(shop: Shop, browse: Open) -> None:
    for _ in range(2):
        shop.event(event_type="slowly")
    shop.sink.wait_until(lambda: len(shop.sink.received) == 2)
    page = browse(shop, "/jobs")
    chosen = {"event_type": "slow*", "statuses": ["success"], "rate": "1/h"}
    row = page.locator(f"#j-{shop.api('/jobs', 'POST', chosen)['job']}")
    expect(row).to_contain_text("What was delivered of type slow*")
    bar = row.locator("progress")
    bar.evaluate("(one) => one.setAttribute('value', '0.5')")  # as if it were of a while ago
    expect(bar).to_have_attribute("value", re.compile(r"^\d+$"))
    row.get_by_role("button", name="Cancel").click()
    expect(page.locator("h1")).to_contain_text("cancelled")


def test_a_destination_leads_to_the_replay_of_what_failed(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/destinations/crm")
    page.get_by_role("link", name="Replay what failed…").click()
    expect(page.locator("#counted")).to_contain_text("none of these failed for good")
    assert page.input_value("#destination") == "crm"
    assert page.input_value("#delivery") == "failed"


def test_a_queue_is_shown_as_one(new_shop: Shop, browse: Open) -> None:
    shop = new_shop
    page = browse(shop, "/destinations/parcels")
    main = page.locator("main")
    expect(main).to_contain_text("none asked since it started")
    assert main.get_by_role("button", name="Send a test").count() == 0
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy URL").click()
    page.wait_for_selector("button:has-text('Copied')")
    claim = f"{shop.admin}/api/v1/pull/parcels/claim"
    assert page.evaluate("navigator.clipboard.readText()") == claim
    event = shop.trouble()
    numbers = page.locator("#live-numbers")
    expect(numbers).to_contain_text("no consumer has asked since dispatchd started")
    (item,) = shop.api("/pull/parcels/claim", "POST", {"lease": "5m"})["items"]
    expect(numbers.locator("div", has_text="Leased now").first).to_contain_text("1")
    expect(numbers).to_contain_text("last asked")
    expect(numbers).not_to_contain_text("no consumer has asked")
    story = page.context.new_page()
    story.goto(f"{shop.admin}/events/{event}")
    expect(story.locator("#live-deliveries")).to_contain_text("A consumer has it")
    shop.api("/pull/parcels/ack", "POST", {"lease_id": item["lease_id"]})
    expect(page.locator("h1")).to_contain_text("Healthy")
    page.goto(f"{shop.admin}/destinations")
    card = page.locator("#d-parcels")
    expect(card).to_contain_text(f"claimed at {claim}")
    expect(card.locator("dd").first).to_have_text("1")
    assert card.get_by_role("button", name="Send a test").count() == 0
