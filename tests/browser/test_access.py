"""axe-core finds nothing serious on any page, in either scheme, at either width."""

from axe_playwright_python.base import AXE_SCRIPT
from conftest import Open
from playwright.sync_api import Page
from shop import LONG_NAME, Shop

from dispatchd.admin.dashboard.pages import NAV

PAGES = (
    "/",
    "/?span=week",
    "/events",
    "/events?since=nonsense",
    "/events/{event}?judgement=1",
    "/destinations",
    "/destinations/crm",
    "/destinations/parcels",
    "/destinations/{long}",
    "/endpoints",
    "/endpoints/github",
    "/endpoints/shop",
    "/endpoints/-",
    "/jobs",
    "/jobs/1",
    "/jobs/new?delivery=any&counted=1",
    "/jobs/new?since=nonsense",
    "/config",
    "/nothing",
)
EMPTY = (
    "/",
    "/events",
    "/events?search=x",
    "/destinations",
    "/endpoints/shop",
    "/jobs",
    "/jobs/new",
)
# The config's further folds are as its first ones, and contrast takes its time in each.
UNFOLD = "[...document.querySelectorAll('details')].slice(0, 12).forEach((one) => one.open = true)"
ALL = {"resultTypes": ["violations"], "preload": False}
COLOURS = {**ALL, "runOnly": ["color-contrast"]}  # a scheme changes nothing else


def test_axe_finds_nothing_serious(hostile_shop: Shop, browse: Open) -> None:
    shop = hostile_shop
    found = serious(browse(shop, "/login", session=None))
    page = browse(shop, "/")
    for path in PAGES:
        page.goto(shop.admin + path.format(event=shop.hostile_id, long=LONG_NAME))
        page.evaluate(UNFOLD)
        found += [f"{path} {one}" for one in serious(page)]
    assert not found, "\n".join(found)


def test_axe_finds_nothing_serious_where_nothing_is(new_shop: Shop, browse: Open) -> None:
    page = browse(new_shop, "/")
    found = []
    for path in EMPTY:
        page.goto(new_shop.admin + path)
        found += [f"{path} {one}" for one in serious(page)]
    assert not found, "\n".join(found)


def serious(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical in each look, with where it is."""
    page.evaluate(AXE_SCRIPT)
    found = []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme, options in (("light", ALL), ("dark", COLOURS)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            told = page.evaluate("(options) => axe.run(options)", options)
            found += [
                f"{width} {scheme}: {one['impact']} {one['id']}: {node['html'][:160]}"
                f" {node.get('failureSummary', '')[:300]}"
                for one in told["violations"]
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
    return found


def test_axe_sees_what_is_wrong(hostile_shop: Shop, browse: Open) -> None:
    """That the above can fail: in one look alone, and in all of them."""
    page = browse(hostile_shop, "/jobs")
    page.evaluate("document.querySelector('h1').outerHTML += '<img src=/static/x>'")
    page.evaluate("document.querySelector('h1').className = 'unseen'")
    page.evaluate(
        "new CSSStyleSheet()"
        ".replace('@media (prefers-color-scheme: dark) { .unseen { color: #222 } }')"
        ".then((sheet) => { document.adoptedStyleSheets = [sheet]; })"
    )
    found = serious(page)
    assert sum("image-alt" in one for one in found) == 2
    assert {one.split(":")[0] for one in found if "color-contrast" in one} == {
        "1440 dark",
        "390 dark",
    }


def test_every_page_is_reached_by_keyboard_from_the_top(shop: Shop, browse: Open) -> None:
    page = browse(shop, "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert reached == ["dispatchd", *(word for _, word, _ in NAV)]
