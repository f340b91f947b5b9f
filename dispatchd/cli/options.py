"""What several commands take: `--config`, `--json`, durations, points in time."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import click

from dispatchd.clock import SystemClock
from dispatchd.durations import duration_ms

LIMIT_MAX: Final = 100_000  # of one listing
ANY_MS: Final = 2**62  # however long ago: it reaches back to the beginning

config_option = click.option("--config", "config_path", metavar="FILE", help="The config file.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=50,
    show_default=True,
    metavar="N",
    help="How many at most.",
)


def parse_duration(text: str) -> int:
    """Return the milliseconds of a duration, as the config spells one."""
    span_ms = _duration_ms(text)
    if span_ms is None:
        raise click.BadParameter(f"{text!r} is no duration; write 500ms, 30s, 5m, 2h or 7d.")
    return span_ms


def parse_since(text: str) -> int:
    """Return a point in time, never before 1970: a duration back from now, or an ISO time."""
    span_ms = _duration_ms(text)
    if span_ms is not None:
        return max(SystemClock().now_ms() - span_ms, 0)
    try:
        at = datetime.fromisoformat(text)
        return max(int(at.timestamp() * 1000), 0)  # without a zone: the machine's own
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is no time; write a duration back from now (2h, 7d)"
            " or an ISO time (2026-01-31T12:00:00Z)."
        ) from None


def _duration_ms(text: str) -> int | None:
    try:
        return duration_ms(text, most_ms=ANY_MS)
    except ValueError:
        return None


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that comes nearest to `name`, if one is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

    return next(iter(get_close_matches(name, known, n=1)), None)


def check_name(
    what: str, name: str | None, known: Collection[str], hint: str | None = None
) -> None:
    """Refuse a name that nothing has. Raises BadParameter of `--what`, or of `hint`."""
    if name is not None and name not in known:
        raise click.BadParameter(unknown(what, name, known), param_hint=hint or f"--{what}")


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """Say that nothing is called `name`, and what comes nearest."""
    near = nearest(name, known)
    if near is not None:
        return f"no {what} {name!r}; did you mean {near!r}?"
    listed = ", ".join(sorted(known)[:8])
    return f"no {what} {name!r}; known: {listed}" if listed else f"no {what} {name!r}"
