"""`dispatchd jobs`: bulk tasks, and how far they are."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.tables import Column, draw
from dispatchd.cli.text import clock_time, distance, plural, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.shapes.job import job_fields
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store.jobs import Job

LIMIT: Final = 50
COLUMNS: Final = (
    Column("JOB", whole=True, right=True),
    Column("STATE", whole=True),
    Column("REPLAYED", whole=True, right=True),
    Column("LOOKED AT", whole=True, right=True),
    Column("BEGAN", whole=True),
    Column("WHICH"),
)


@click.group(invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@config_option
@json_option
@click.pass_context
def command(ctx: click.Context, config_path: str | None, *, as_json: bool) -> None:
    """List replays: how each stands, how far it is, and what it replays.

    \b
    Example:
      dispatchd jobs
      dispatchd jobs cancel 3
    """  # noqa: D301 - click reads the backspace itself
    if ctx.invoked_subcommand is not None:
        return
    jobs = asyncio.run(_find(load_outline(config_path)))
    if as_json:
        click.echo(to_json([job_fields(job) for job in jobs]))
        return
    if not jobs:
        click.echo("No jobs.")
        return
    now_ms = SystemClock().now_ms()
    draw(COLUMNS, [_row(job, now_ms) for job in jobs])
    for job in jobs:
        if job.error is not None:
            click.echo(f"Job {job.id} failed: {printable(job.error)}")


@command.command()
@click.argument("job_id", type=click.IntRange(min=1), metavar="JOB")
@config_option
def cancel(job_id: int, config_path: str | None) -> None:
    """End a job. What it has replayed stays replayed.

    \b
    Example:
      dispatchd jobs cancel 3
    """  # noqa: D301 - likewise
    job = asyncio.run(_cancel(load_outline(config_path), job_id))
    click.echo(f"Job {job.id} is cancelled; it has replayed {plural(job.replayed, 'delivery')}.")


@command.command()
@config_option
def run(config_path: str | None) -> None:
    """See every job that is not over to its end, here if no daemon is up.

    \b
    Example:
      dispatchd jobs run
    """  # noqa: D301 - likewise
    from dispatchd.cli.following import interruptible  # noqa: PLC0415 - not for --help

    config = load_outline(config_path)
    jobs = interruptible(lambda started: _run(config, started))
    for job in jobs:
        click.echo(
            f"Job {job.id} is {job.state.value}: it replayed {plural(job.replayed, 'delivery')}."
        )
    if not jobs:
        click.echo("Every job is over.")


async def _find(config: "Outline") -> Sequence["Job"]:
    async with opened(config) as store:
        return await store.find_jobs(LIMIT)


async def _cancel(config: "Outline", job_id: int) -> "Job":
    from dispatchd.store.jobs import JobState  # noqa: PLC0415 - not for --help

    async with opened(config) as store:
        ended = await store.end_job(job_id, JobState.CANCELLED, SystemClock().now_ms())
        job = await store.get_job(job_id)
    if job is None:
        raise DispatchdError(f"there is no job {job_id}; `dispatchd jobs` lists them")
    if not ended:
        raise DispatchdError(f"job {job_id} is {job.state.value} already")
    return job


async def _run(config: "Outline", started: list[int]) -> list["Job"]:
    from dispatchd.cli.following import follow  # noqa: PLC0415 - likewise

    over = []
    async with opened(config) as store:
        for job in await store.open_jobs():
            started.append(job.id)
            over.append(await follow(store, job, None))
    return over


def _row(job: "Job", now_ms: int) -> tuple[str, ...]:
    return (
        str(job.id),
        job.state.value,
        f"{job.replayed:,}",
        f"{min(job.looked, job.total):,} of {job.total:,}",
        distance(job.created_ms, now_ms),
        which(job),
    )


def which(job: "Job") -> str:
    """Say what a job replays."""
    query = job.query
    what = ", ".join(query.statuses) or "any"
    parts = [what if query.to is None else f"new to {query.to}"]
    if query.event_ids:
        parts.append(f"of {plural(len(query.event_ids), 'event')}")
    if query.destination is not None:
        parts.append(f"to {query.destination}")
    if query.endpoint is not None:
        parts.append(f"of endpoint {query.endpoint}")
    if query.event_type is not None:
        parts.append(f"of type {query.event_type}")
    if query.since_ms is not None:
        parts.append(f"since {clock_time(query.since_ms)}")
    if query.until_ms is not None:
        parts.append(f"until {clock_time(query.until_ms)}")
    if query.filter is not None:
        parts.append("that a filter lets through")
    if query.as_sent:
        parts.append("as they were sent")
    if job.rate is not None:
        parts.append(f"at {job.rate:g}/s")
    return " ".join(parts)
