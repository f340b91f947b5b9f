"""What several commands take: `--config`, `--json`, durations, points in time."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import click

from dispatchd.clock import SystemClock
from dispatchd.durations import duration_ms

LIMIT_MAX: Final = 100_000  # of one listing
ANY_MS: Final = 2**62  # however long ago: it reaches back to the beginning


def _or_global(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Return the config that was named here, else before the command: the nearest one counts."""
    above = ctx.parent
    while value is None and above is not None:
        value = above.params.get("config_path")
        above = above.parent
    return value


config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(),
    metavar="FILE",
    callback=_or_global,
    help="The config file.",
)
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


since_option = click.option(
    "--since",
    "since_ms",
    type=parse_since,
    metavar="TIME",
    help="Only from the last 2h or 7d, or from an ISO time on.",
)
until_option = click.option(
    "--until", "until_ms", type=parse_since, metavar="TIME", help="Only from before that."
)


def check_stretch(since_ms: int | None, until_ms: int | None) -> None:
    """Refuse a stretch of time that nothing can be in. Raises UsageError."""
    if since_ms is not None and until_ms is not None and until_ms <= since_ms:
        raise click.UsageError("--until is not after --since: nothing can be between them.")


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
