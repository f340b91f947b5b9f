"""Pausing, resuming, replaying, testing: by mouse, by keyboard, and without a script."""

import pytest
from conftest import Open
from playwright.sync_api import Page, expect
from shop import TOKEN, Shop


def press(page: Page, name: str, *, keyboard: bool) -> None:
    """Press a button or a menu by its name."""
    one = page.locator("button, summary", has_text=name).first
    if keyboard:
        one.focus()
        page.keyboard.press("Enter")
    else:
        one.click()


@pytest.mark.parametrize("way", ["mouse", "keyboard", "no script"])
def test_a_destination_is_paused_and_resumed(shop: Shop, browse: Open, way: str) -> None:
    keyboard = way == "keyboard"
    page = browse(shop, "/destinations", scripts=way != "no script")
    card = page.locator("#d-crm")
    press_in = card.locator("summary", has_text="Pause")
    if keyboard:
        press_in.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("maintenance <b>now</b>")
        page.keyboard.press("Enter")
    else:
        press_in.click()
        card.locator("input[name=reason]").fill("maintenance <b>now</b>")
        card.get_by_role("button", name="Pause it").click()
    expect(page.locator("main")).to_contain_text("Paused by hand: maintenance <b>now</b>")
    assert shop.api("/destinations/crm")["held"][0]["reason"] == "maintenance <b>now</b>"
    event = shop.event()
    page.goto(f"{shop.admin}/events/{event}")
    expect(page.locator("main")).to_contain_text("Held: paused: maintenance <b>now</b>")
    page.goto(f"{shop.admin}/destinations/crm")
    press(page, "Resume", keyboard=keyboard)
    shop.sink.wait_until(lambda: len(shop.sink.received) == 1)
    expect(page.locator("main")).not_to_contain_text("Paused by hand")
    assert shop.api("/destinations/crm")["held"] == []


@pytest.mark.parametrize("way", ["mouse", "keyboard", "no script"])
def test_an_event_is_replayed(shop: Shop, browse: Open, way: str) -> None:
    event = shop.event()
    shop.sink.wait_until(lambda: len(shop.sink.received) == 1)
    page = browse(shop, f"/events/{event}", scripts=way != "no script")
    press(page, "Replay", keyboard=way == "keyboard")
    shop.sink.wait_until(lambda: len(shop.sink.received) == 2)
    if way == "no script":
        page.reload()
    expect(page.locator("#live-job")).to_contain_text("1 of 1 started afresh")
    number = shop.api("/jobs")["items"][0]["job"]
    page.get_by_role("link", name=f"Replay {number}").click()
    expect(page.locator("h1")).to_contain_text(f"Replay {number}")


@pytest.mark.parametrize("way", ["mouse", "keyboard", "no script"])
def test_a_test_is_sent_and_its_answer_shown(shop: Shop, browse: Open, way: str) -> None:
    shop.sink.answer = (418, b"<b>a teapot</b>")
    page = browse(shop, "/destinations/crm", scripts=way != "no script")
    press(page, "Send a test", keyboard=way == "keyboard")
    expect(page.locator("#tried")).to_contain_text("418 http error")
    expect(page.locator("#tried")).to_contain_text("<b>a teapot</b>")
    headers, _ = shop.sink.received[0]
    assert headers["X-Dispatch-Event-Type"] == "dispatchd.test"
    if way != "no script":  # loading the page again does not send it again
        page.reload()
        expect(page.locator("h1")).to_contain_text("crm")
        assert len(shop.sink.received) == 1


def test_signing_in_and_out(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/destinations", session=None)
    assert page.url == f"{shop.admin}/login"
    assert page.locator("nav").count() == 0  # where nobody may go yet
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_contain_text("That is not the token")
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop.admin}/")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{shop.admin}/login")
    page.goto(f"{shop.admin}/events")
    assert page.url == f"{shop.admin}/login"


def test_a_form_without_the_sessions_token_does_nothing(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/destinations/crm")
    page.evaluate("document.querySelectorAll('[name=csrf_token]').forEach((one) => one.remove())")
    press(page, "Send a test", keyboard=False)
    expect(page.locator("h1")).to_contain_text("Forbidden")
    assert shop.sink.received == []


def test_every_form_that_changes_something_carries_the_token(
    hostile_shop: Shop, browse: Open
) -> None:
    shop = hostile_shop
    page = browse(shop, "/")
    event = f"/events/{shop.hostile_id}"
    counted = "/jobs/new?delivery=any&counted=1"
    for path in ("/", event, "/destinations", "/destinations/crm", counted, "/config"):
        page.goto(shop.admin + path)
        forms = page.locator("form[method=post]")
        assert forms.count() >= 1
        assert forms.count() == page.locator("form[method=post] input[name=csrf_token]").count()
