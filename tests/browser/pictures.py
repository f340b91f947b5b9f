"""Makes the pictures of docs/ from a busy daemon: `python tests/browser/pictures.py [DIRECTORY]`.

Without DIRECTORY the four of docs/ are made anew; with one, every page in both schemes and widths.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # rig.py
from chrome import CHROMIUM, FLAGS  # type: ignore[import-not-found]
from PIL import Image
from playwright.async_api import Browser, async_playwright
from town import Town, town  # type: ignore[import-not-found]

DOCS = Path(__file__).resolve().parents[2] / "docs"
KEPT = {  # picture: page, scheme, width, height
    "dashboard-overview": ("/", "light", 1440, 900),
    "dashboard-overview-dark": ("/", "dark", 1440, 900),
    "dashboard-event": ("event", "light", 1440, 900),
    "dashboard-phone": ("/", "dark", 390, 844),
}
PAGES = {
    "overview": "/",
    "overview-week": "/?span=week",
    "events": "/events",
    "event": "event",
    "destinations": "/destinations",
    "destination": "/destinations/search-index",
    "queue": "/destinations/label-printer",
    "endpoints": "/endpoints",
    "endpoint": "/endpoints/github",
    "jobs": "/jobs",
    "job": "/jobs/3",
    "replay": "/jobs/new?destination=crm&delivery=any&since=24h",
    "config": "/config",
    "missing": "/nothing-here",
}


async def prepare(there: Town, browser: Browser) -> str:
    """Have things happen; return the page of an event that shows much."""
    await there.busy(140)
    page = await browser.new_page()
    await page.goto(f"{there.admin_url}/destinations/warehouse")
    await page.click("summary:has-text('Pause')")
    await page.fill("input[name=reason]", "stocktaking until noon")
    await page.click("button:has-text('Pause it')")
    await there.log.wait_for("lane_held", destination="search-index")
    await there.api("/jobs", {"destination": "crm", "statuses": ["success"], "rate": "60/s"})
    await there.api("/jobs", {"endpoint": "github", "statuses": ["success"], "event_type": "pu*"})
    await there.busy(60)
    await there.api("/jobs", {"endpoint": "shop", "statuses": ["success"], "rate": "90/m"})
    await asyncio.sleep(3)  # the rates are of the last ten seconds
    # An event of the first: its delivery to what is down was tried before that was held.
    await page.goto(f"{there.admin_url}/api/v1/events?endpoint=shop&delivery=held&limit=1000")
    told = json.loads(await page.inner_text("body"))
    await page.close()
    return f"/events/{told['items'][-1]['event_id']}"


async def shoot(
    browser: Browser, url: str, to: Path, look: tuple[str, int, int], *, full: bool
) -> None:
    scheme, width, height = look
    context = await browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": height},  # type: ignore[arg-type]
    )
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_timeout(400)
    await page.screenshot(path=to, full_page=full)
    if to.parent == DOCS:  # a palette makes it a third
        picture = Image.open(to).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        picture.save(to, optimize=True)
    await context.close()


async def main() -> None:
    to = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as directory:
        async with town(Path(directory)) as there, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            event = await prepare(there, browser)
            traffic = asyncio.gather(there.go_on(), there.consume())
            await asyncio.sleep(6)
            if to is None:
                for name, (page, *look) in KEPT.items():
                    url = there.admin_url + (event if page == "event" else page)
                    await shoot(browser, url, DOCS / f"{name}.png", tuple(look), full=False)
            else:
                to.mkdir(parents=True, exist_ok=True)
                for name, page in PAGES.items():
                    for scheme in ("light", "dark"):
                        for width in (1440, 390):
                            url = there.admin_url + (event if page == "event" else page)
                            file = to / f"{name}-{scheme}-{width}.png"
                            await shoot(browser, url, file, (scheme, width, 900), full=True)
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
            await browser.close()


asyncio.run(main())
