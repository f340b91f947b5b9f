"""docs/dashboard.md tells of every page, and its pictures are there and light."""

import re
from pathlib import Path

from dispatchd.admin.dashboard import asking, event, events, folding, pulse, telling, ticks
from dispatchd.admin.dashboard.pages import NAV
from dispatchd.admin.dashboard.past import SPANS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
PICTURE_MAX_BYTES = 150 * 1024


def test_every_page_is_told_of() -> None:
    for path, word, _ in NAV:
        assert re.search(rf"^\| {word}, `{path}` \|", TEXT, re.MULTILINE), word
    for span in SPANS:
        assert f"`{span}`" in TEXT or f"span={span}" in TEXT


def test_every_picture_is_there_light_and_shown() -> None:
    shown = set(re.findall(r"\]\((dashboard-[\w-]+\.png)\)", TEXT))
    assert shown == {path.name for path in (ROOT / "docs").glob("*.png")}
    for name in shown:
        assert (ROOT / "docs" / name).stat().st_size <= PICTURE_MAX_BYTES, name
    assert "docs/dashboard-overview.png" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_numbers_are_the_codes() -> None:
    assert f"Up to {ticks.LISTENERS_MAX} open pages" in TEXT
    assert f"A look into the\nhistory has {events.LOOK_MS} ms" in TEXT
    assert f"take longer than {event.JUDGED_MAX_S * 1000:g} ms" in TEXT
    assert f"beyond {folding.READ_MAX_BYTES // 1024} KB are not unfolded" in TEXT
    assert f"the last {telling.ATTEMPTS_MAX}\ntries" in TEXT
    assert f"the newest {asking.IDS_MAX}." in TEXT
    assert pulse.RATE_S == 10
    script = ROOT / "dispatchd" / "admin" / "dashboard" / "static" / "dashboard.js"
    assert script.stat().st_size <= int(re.search(r"script of (\d+) KB", TEXT)[1]) * 1024
