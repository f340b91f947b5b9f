"""Open pages keep up by themselves, and disturb nobody who is doing something on them."""

from conftest import Open
from playwright.sync_api import expect
from shop import Shop


def test_a_new_event_comes_into_the_list(new_shop: Shop, browse: Open) -> None:
    shop = new_shop
    page = browse(shop, "/events")
    expect(page.locator("main")).to_contain_text("No events yet")
    first = shop.event(event_type="first.one")
    expect(page.locator(f"#e-{first}")).to_contain_text("first.one")
    second = shop.event(event_type="second.one")
    expect(page.locator(f"#e-{second}")).to_contain_text("crm delivered")
    rows = page.locator("table.events tbody tr")
    assert [rows.nth(n).get_attribute("id") for n in range(2)] == [f"e-{second}", f"e-{first}"]


def test_a_filter_stands_in_the_url_and_keeps_to_it(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/events")
    page.fill("#search", "needle")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/events?search=needle**")
    shop.event(body={"text": "hay"}, event_type="hay.one")
    shop.event(body={"text": "a needle"}, event_type="needle.one")
    expect(page.locator("table.events")).to_contain_text("needle.one")
    assert "hay.one" not in page.inner_text("main")
    assert page.input_value("#search") == "needle"


def test_a_delivery_is_followed_to_its_end(shop: Shop, browse: Open) -> None:
    shop.sink.answer = (503, b"not now")
    event = shop.event()
    page = browse(shop, f"/events/{event}")
    expect(page.locator("#live-deliveries")).to_contain_text("503 http error")
    expect(page.locator("#live-deliveries")).to_contain_text("retrying")
    page.locator("#live-deliveries summary", has_text="Its answer").first.click()
    shop.sink.answer = (200, b"now")
    shop.api("/jobs", "POST", {"event_ids": [event]})
    expect(page.locator("#live-deliveries")).to_contain_text("200 delivered")
    # What was unfolded stays so.
    expect(page.locator("#live-deliveries pre").first).to_be_visible()


def test_what_is_being_typed_stays(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/destinations")
    card = page.locator("#d-crm")
    card.locator("summary", has_text="Pause").click()
    delivered = card.locator("dd").first  # in the last hour
    before = int(delivered.inner_text())
    reason = card.locator("input[name=reason]")
    reason.fill("half a sent")
    shop.event()
    expect(delivered).to_have_text(str(before + 1))
    assert reason.input_value() == "half a sent"
    assert page.evaluate("document.activeElement.name") == "reason"


def test_it_can_be_stopped(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/events")
    page.get_by_role("button", name="Live").click()
    expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")
    event = shop.event()
    shop.sink.wait_until(lambda: len(shop.sink.received) == 1)
    page.wait_for_timeout(1500)  # longer than a tick takes
    assert page.locator(f"#e-{event}").count() == 0
    page.get_by_role("button", name="Paused").click()
    expect(page.locator(f"#e-{event}")).to_be_visible()


def test_a_session_that_ended_leads_to_the_login(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/events", session="own")
    other = page.context.new_page()
    other.goto(f"{shop.admin}/")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url(f"{shop.admin}/login")
    shop.event()
    page.bring_to_front()
    page.wait_for_url(f"{shop.admin}/login")


def test_the_config_page_says_when_the_file_no_longer_checks(new_shop: Shop, browse: Open) -> None:
    shop = new_shop
    page = browse(shop, "/config")
    expect(page.locator("#live-file")).to_contain_text("as it runs")
    config, good = shop.config, shop.config.read_text()
    config.write_text(good.replace("destinations: [crm]", "destinations: [cmr]"))
    page.reload()
    expect(page.locator("#live-file")).to_contain_text("does not check")
    expect(page.locator("#live-file")).to_contain_text("cmr")
    page.get_by_role("button", name="Reload").click()
    expect(page.locator("main")).to_contain_text("Not reloaded")
    config.write_text(good.replace("provider: github", "active: false, provider: github"))
    page.goto(f"{shop.admin}/config")
    expect(page.locator("#live-file")).to_contain_text("changed endpoint github")
    page.get_by_role("button", name="Reload").click()
    expect(page.locator("main")).to_contain_text("Reloaded")
    page.goto(f"{shop.admin}/endpoints")
    expect(page.locator("main")).to_contain_text("not active")
