"""Write docs/providers.md from the providers and their hints: `python tests/providers_page.py`."""

from pathlib import Path

from dispatchd.hints import GROUPS
from dispatchd.hints.telling import commented, fields

PAGE = Path(__file__).parents[1] / "docs" / "providers.md"
INTRO = """\
# Providers

Written by `python tests/providers_page.py` from the tables that dispatchd itself reads; change
those, not this page. `dispatchd try NAME` prints the same for one sender, as a config to start
from.

What is named by `body.PATH` stands in the body, all else in headers. A redelivery is known by its
delivery id and answered 202 with the first event's id; `generic` alone answers 409:
[idempotency](configuration.md#idempotency).
"""


def page() -> str:
    """Return the whole page."""
    parts = [INTRO]
    for group, hints in GROUPS.items():
        parts.append(f"## {group}\n")
        parts.append(
            "| provider | sender | event type | delivery id | proof |\n|---|---|---|---|---|"
        )
        for name in hints:
            told = fields(name)
            cells = (
                f"[`{name}`](#{name})",
                told["title"],
                told["event_type"] or "",
                told["delivery_id"] or "",
                told["proof"],
            )
            parts.append("| " + " | ".join(cells) + " |")
        parts.append("")
        parts += [
            f"### {name}\n\n```yaml\n" + "\n".join(commented(name)) + "\n```\n" for name in hints
        ]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
