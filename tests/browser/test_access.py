"""axe-core finds nothing serious on any page, in either scheme, at either width."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Open
from shop import Shop

PAGES = (
    "/",
    "/?span=week",
    "/events",
    "/events?since=nonsense",
    "/events/{event}?judgement=1",
    "/destinations",
    "/destinations/crm",
    "/destinations/other",
    "/endpoints",
    "/endpoints/github",
    "/endpoints/shop",
    "/endpoints/-",
    "/config",
    "/nothing",
)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(shop: Shop, browse: Open, scheme: str, width: int) -> None:
    event = shop.hostile()
    shop.api("/destinations/other/pause", "POST", {"reason": "maintenance"})
    page = browse("/login", scheme=scheme, width=width, signed_in=False)
    found = serious(page)
    page = browse("/", scheme=scheme, width=width)
    for path in PAGES:
        page.goto(shop.admin + path.format(event=event))
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found += [f"{path}: {one}" for one in serious(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_nothing_is(shop: Shop, browse: Open, scheme: str) -> None:
    page = browse("/", scheme=scheme)
    found = []
    for path in ("/", "/events", "/events?search=x", "/destinations", "/endpoints/shop"):
        page.goto(shop.admin + path)
        found += [f"{path}: {one}" for one in serious(page)]
    assert not found, "\n".join(found)


def serious(page: object) -> list[str]:
    """Return what axe-core calls serious or critical, with where it is."""
    results = Axe().run(page)  # type: ignore[arg-type]
    return [
        f"{one['impact']} {one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_every_page_is_reached_by_keyboard_from_the_top(shop: Shop, browse: Open) -> None:
    page = browse("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert reached == ["dispatchd", "Overview", "Events", "Destinations", "Endpoints", "Config"]
