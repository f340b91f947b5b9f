"""Whatever a stranger can write stands on the pages as text, and nothing of it runs."""

from conftest import Open
from shop import BIDI, HOSTILE, LONG_NAME, SECRET, TOKEN, Shop

PAGES = (
    "/",
    "/events",
    "/events?search=hostile",
    "/events/{event}",
    "/events/{event}?judgement=1",
    "/destinations",
    "/destinations/crm",
    "/endpoints",
    "/endpoints/shop",
    "/endpoints/-",
    "/destinations/{long}",
    "/destinations/parcels",
    "/endpoints/{long}",
    "/jobs",
    "/jobs/1",
    "/jobs/new?delivery=any&counted=1",
    "/jobs/new?search=%3Cscript%3Ewindow.evil=9%3C/script%3E&delivery=any&counted=1",
    "/jobs/new?destination=<script>window.evil=10<%2Fscript>",
    "/config",
    "/events?since=<script>window.evil=4</script>",
    "/events?nothing=<img+src=x+onerror=window.evil=5>",
    "/destinations/<script>window.evil=6<%2Fscript>",
    "/endpoints/<script>window.evil=7<%2Fscript>",
    "/events/<script>window.evil=8<%2Fscript>",
)


def test_nothing_runs_and_nothing_is_wider_than_the_page(hostile_shop: Shop, browse: Open) -> None:
    shop = hostile_shop
    page = browse(shop, "/")
    for path in PAGES:
        page.goto(shop.admin + path.format(event=shop.hostile_id, long=LONG_NAME))
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate("window.evil") is None, path
        assert page.locator("main script, main img, main [onerror], main [onload]").count() == 0
        assert page.locator("main").count() == 1, path
        text = page.content()
        assert BIDI not in text, path
        for secret in (SECRET, TOKEN, "a-key-that-nobody-may-see"):
            assert secret not in text, path
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            wide, seen = page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert wide <= seen, (path, width, wide)


def test_what_came_can_be_read_as_it_came(hostile_shop: Shop, browse: Open) -> None:
    shop, event = hostile_shop, hostile_shop.hostile_id
    page = browse(shop, f"/events/{event}")
    page.wait_for_selector("text=400 http error")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    shown = page.inner_text("main")
    for text in (*HOSTILE, "1.5", "\\u202egnp.exe"):
        assert text in shown
    page.goto(f"{shop.admin}/endpoints/shop")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    refused = page.inner_text("main")
    assert "401 invalid signature" in refused
    assert HOSTILE[1] in refused
    page.goto(f"{shop.admin}/endpoints/-")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert HOSTILE[0] in page.inner_text("main")


def test_the_copied_command_is_what_is_shown(hostile_shop: Shop, browse: Open) -> None:
    shop, event = hostile_shop, hostile_shop.hostile_id
    page = browse(shop, f"/events/{event}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("section", has_text="As curl").get_by_role("button", name="Copy").click()
    page.wait_for_selector("button:has-text('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -X POST http")
    assert "X-Hub-Signature-256" not in copied
    assert "\u202e" not in copied
