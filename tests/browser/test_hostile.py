"""Whatever a stranger can write stands on the pages as text, and nothing of it runs."""

import pytest
from conftest import Open
from shop import BIDI, HOSTILE, SECRET, TOKEN, Shop

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
    "/config",
    "/events?since=<script>window.evil=4</script>",
    "/events?nothing=<img+src=x+onerror=window.evil=5>",
    "/destinations/<script>window.evil=6<%2Fscript>",
    "/endpoints/<script>window.evil=7<%2Fscript>",
    "/events/<script>window.evil=8<%2Fscript>",
)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_runs_and_nothing_is_wider_than_the_page(
    shop: Shop, browse: Open, width: int
) -> None:
    event = shop.hostile()
    shop.api("/destinations/crm/pause", "POST", {"reason": "".join(HOSTILE)})
    page = browse("/", width=width)
    for path in PAGES:
        page.goto(shop.admin + path.format(event=event))
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate("window.evil") is None, path
        assert page.locator("main script, main img, main [onerror], main [onload]").count() == 0
        assert page.locator("main").count() == 1, path
        text = page.content()
        assert BIDI not in text, path
        for secret in (SECRET, TOKEN, "a-key-that-nobody-may-see"):
            assert secret not in text, path
        wide = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1], (path, wide)


def test_what_came_can_be_read_as_it_came(shop: Shop, browse: Open) -> None:
    event = shop.hostile()
    page = browse(f"/events/{event}")
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


def test_the_copied_command_is_what_is_shown(shop: Shop, browse: Open) -> None:
    event = shop.hostile()
    page = browse(f"/events/{event}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("section", has_text="As curl").get_by_role("button", name="Copy").click()
    page.wait_for_selector("button:has-text('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -X POST http")
    assert "X-Hub-Signature-256" not in copied
    assert "\u202e" not in copied
