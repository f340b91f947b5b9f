"""`dispatchd prune`: delete old events that owe nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from dispatchd.cli.asking import ask_first, yes_option
from dispatchd.cli.options import config_option, json_option, parse_duration
from dispatchd.cli.progress import counted
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import clock_time, plural, to_json
from dispatchd.clock import SystemClock
from dispatchd.shapes.spelling import iso

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.shapes.told import PrunedFields
    from dispatchd.store import Store


@click.command()
@config_option
@click.option(
    "--older-than",
    "older_than_ms",
    type=parse_duration,
    metavar="AGE",
    help="Instead of storage.retention: 30d, 12h.",
)
@click.option(
    "--failed-older-than",
    "failed_older_than_ms",
    type=parse_duration,
    metavar="AGE",
    help="For events of which a delivery failed; 3 x --older-than unless told.",
)
@yes_option
@json_option
def command(
    config_path: str | None,
    *,
    older_than_ms: int | None,
    failed_older_than_ms: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete old events that owe nothing, with their deliveries and attempts.

    The daemon does this by itself; the command does it now. Old is what was received longer ago
    than storage.retention, or --older-than. An event with
    a delivery still open stays, however old; one with a delivery that failed for good stays
    three times as long, or as storage.retention or --failed-older-than say. There is no way
    back: `dispatchd backup` first. With an age of your own it asks before it deletes over 100.

    \b
    Example:
      dispatchd prune --older-than 30d
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.config.model import FAILED_TIMES  # noqa: PLC0415 - not for --help

    config = load_outline(config_path)
    of_config = older_than_ms is None and failed_older_than_ms is None
    by_config = older_than_ms is None
    retention = config.storage.retention
    if failed_older_than_ms is None:
        failed_older_than_ms = (
            round(retention.failed_or_default_s * 1000)
            if older_than_ms is None
            else FAILED_TIMES * older_than_ms
        )
    if older_than_ms is None:
        older_than_ms = round(retention.events_s * 1000)
    if failed_older_than_ms < older_than_ms:
        raise click.UsageError("--failed-older-than must not be less than the age of the others.")
    now_ms = SystemClock().now_ms()
    before_ms = max(now_ms - older_than_ms, 0)
    failed_before_ms = max(now_ms - failed_older_than_ms, 0)
    max_bytes = retention.max_bytes if by_config else None
    count, kept_failed, over = asyncio.run(
        _prune(config, before_ms, failed_before_ms, now_ms, max_bytes, yes=yes or of_config)
    )
    if as_json:
        told: PrunedFields = {
            "events": count,
            "before": iso(before_ms),
            "kept_failed": kept_failed,
            "failed_before": iso(failed_before_ms),
            "over_max_size": over,
        }
        click.echo(to_json(told))
        return
    click.echo(f"Pruned {plural(count, 'event')} received before {clock_time(before_ms)}.")
    if over:
        click.echo(f"Pruned {plural(over, 'more event')}, the oldest, to get under max_size.")
    if kept_failed:
        click.echo(
            f"Kept {plural(kept_failed, 'event')} with a failed delivery, received since"
            f" {clock_time(failed_before_ms)}: `dispatchd events --delivery failed` lists them."
        )


async def _prune(
    config: "Outline",
    before_ms: int,
    failed_before_ms: int,
    now_ms: int,
    max_bytes: int | None,
    *,
    yes: bool,
) -> tuple[int, int, int]:
    """Return how many events went by age, how many stayed as failed, and how many went by size."""
    from dispatchd.store.retention import Cuts, prune_all  # noqa: PLC0415 - not for --help

    kept_failed = 0

    async def batches(store: "Store", cuts: Cuts) -> AsyncIterator[int]:
        nonlocal kept_failed
        async for pruned in prune_all(store, cuts, gently=store.served()):
            kept_failed += pruned.kept_failed
            yield pruned.events

    async def run(store: "Store", cuts: Cuts) -> int:
        return await counted(batches(store, cuts), "pruned", "event", None)

    async with opened(config) as store:
        if not yes:
            await _ask_first(store, before_ms)
        count = await run(store, Cuts(before_ms, failed_before_ms))
        kept = kept_failed
        over = 0
        if max_bytes is not None:
            over = await run(store, Cuts(now_ms, now_ms, max_bytes))
    return count, kept, over


async def _ask_first(store: "Store", before_ms: int) -> None:
    """Ask where many events are old enough; those that owe something will stay all the same."""
    from dispatchd.store.jobs import ReplayQuery  # noqa: PLC0415 - not for --help

    # What a replay would have to look at is counted by an index, and none is begun.
    draft = await store.draft_job(ReplayQuery(until_ms=before_ms), None, before_ms)
    what = f"delete up to {plural(draft.total, 'event')} received before {clock_time(before_ms)}"
    ask_first(what, draft.total)
