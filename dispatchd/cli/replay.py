"""`dispatchd replay`: deliver events again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.alert_kinds import ALERTS
from dispatchd.cli.ids import find_event_id, parse_event_id
from dispatchd.cli.options import check_name, config_option, json_option, parse_since
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import plural, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.model import DeliveryStatus
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store import Store
    from dispatchd.store.jobs import Job, ReplayQuery
    from dispatchd.upkeep.counting import Count

NAMED_MAX = 5  # ids in one error; more than that is a wrong database, not a slip
ANY: Final = "any"
KEPT: Final = [s.value for s in DeliveryStatus if s is not DeliveryStatus.HELD]


def parse_rate(text: str) -> float:
    """Return deliveries a second, as the config spells a rate."""
    from dispatchd.limits import read_rate  # noqa: PLC0415 - not for --help

    try:
        return read_rate(text).per_s
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


def parse_filter(text: str) -> str | dict[str, Any]:
    """Return a filter as the config writes one: conditions in braces, else JSONata."""
    from dispatchd.match import compile_filter, expression_problem  # noqa: PLC0415 - likewise

    if not text.lstrip().startswith("{"):
        problem = expression_problem(text)
        if problem is not None:
            raise click.BadParameter(f"no JSONata expression: {problem}")
        return text
    import yaml  # noqa: PLC0415 - likewise

    try:
        conditions = yaml.safe_load(text)
        compile_filter(conditions)
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        raise click.BadParameter(f"no filter: {' '.join(str(error).split())}") from None
    plain: dict[str, Any] = conditions
    return plain


@click.command()
@click.argument("event_ids", type=parse_event_id, nargs=-1, metavar="[EVENT_ID]...")
@config_option
@click.option("--failed", is_flag=True, help="Every failed delivery; short for --status failed.")
@click.option("--endpoint", metavar="SLUG", help="Only events of this endpoint.")
@click.option("--destination", metavar="NAME", help="Only deliveries to this destination.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([*KEPT, ANY]),
    multiple=True,
    help="Only such deliveries; failed ones unless told, with event ids any.",
)
@click.option("--event-type", metavar="GLOB", help="Only events of this type; `*` and `?` work.")
@click.option(
    "--since",
    "since_ms",
    type=parse_since,
    metavar="TIME",
    help="Only events received in the last 2h, or since.",
)
@click.option(
    "--until",
    "until_ms",
    type=parse_since,
    metavar="TIME",
    help="Only events received before that.",
)
@click.option(
    "--filter",
    "chosen",
    type=parse_filter,
    metavar="FILTER",
    help="Only events that it lets through: JSONata, or {body.action: opened}.",
)
@click.option("--rate", type=parse_rate, metavar="RATE", help="At most 50/s, or 600/m.")
@click.option(
    "--as-sent",
    is_flag=True,
    help="Send what the last attempt sent, not what the transform now yields.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be replayed.")
@json_option
def command(
    *,
    event_ids: tuple[str, ...],
    config_path: str | None,
    failed: bool,
    endpoint: str | None,
    destination: str | None,
    statuses: tuple[str, ...],
    event_type: str | None,
    since_ms: int | None,
    until_ms: int | None,
    chosen: str | dict[str, Any] | None,
    rate: float | None,
    as_sent: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Deliver events again: their deliveries start afresh, due now, with every attempt ahead.

    With event ids, all deliveries of these events, whatever became of them; else the failed
    deliveries for which all that is given holds. It is a job: a running daemon does it, and
    goes on if this command is ended; without one this command does. `dispatchd jobs` shows how
    far it is.

    \b
    Example:
      dispatchd replay 0198c0de-0000-7000-8000-000000000001
      dispatchd replay --failed --destination crm --since 2h --rate 50/s
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store.jobs import ReplayQuery  # noqa: PLC0415 - not for --help

    if event_ids and failed:
        raise click.UsageError("Name event ids or say --failed: one of the two.")
    narrowed = (endpoint, destination, *statuses, event_type, since_ms, until_ms, chosen)
    if not event_ids and not failed and all(given is None for given in narrowed):
        raise click.UsageError("Name event ids, or say --failed or which: --since, --status, …")
    if failed:
        statuses = (*statuses, DeliveryStatus.FAILED.value)
    elif not statuses:
        statuses = (ANY,) if event_ids else (DeliveryStatus.FAILED.value,)
    query = ReplayQuery(
        event_ids=tuple(dict.fromkeys(event_ids)),
        endpoint=endpoint,
        destination=destination,
        statuses=() if ANY in statuses else tuple(map(DeliveryStatus, dict.fromkeys(statuses))),
        event_type=event_type,
        since_ms=since_ms,
        until_ms=until_ms,
        filter=chosen,
        as_sent=as_sent,
    )
    config = load_outline(config_path)
    if dry_run:
        _tell_count(asyncio.run(_count(config, query)), as_json=as_json)
        return
    job, held = _run(config, query, rate)
    _tell_done(job, held, as_json=as_json)


def _run(
    config: "Outline", asked: "ReplayQuery", rate: float | None
) -> tuple["Job", dict[str, str]]:
    """Replay as a job; return how it ended, and why some deliveries may wait."""
    from dispatchd.cli.following import follow, interruptible  # noqa: PLC0415 - likewise

    async def replay(started: list[int]) -> tuple["Job", dict[str, str]]:
        async with opened(config) as store:
            query = await _whole(store, asked)
            await _check(config, store, query)
            job = await store.add_job(query, rate, SystemClock().now_ms())
            started.append(job.id)
            # Of the failed ones, and nothing else asked, what there is to look at is all of it.
            whole = query == _only_failed(query)
            job = await follow(store, job, job.total if whole else None)
            if not job.replayed:
                return job, {}
            held = {
                lane.destination: lane.held_because
                for lane in (await store.stats(SystemClock().now_ms())).destinations
                if lane.held_because is not None and query.destination in (None, lane.destination)
            }
            return job, held

    return interruptible(replay)


def _only_failed(query: "ReplayQuery") -> "ReplayQuery":
    from dispatchd.store.jobs import ReplayQuery  # noqa: PLC0415 - likewise

    return ReplayQuery(
        destination=query.destination, statuses=(DeliveryStatus.FAILED,), as_sent=query.as_sent
    )


async def _count(config: "Outline", asked: "ReplayQuery") -> "Count":
    """Count what would be replayed, by destination."""
    from dispatchd.cli.following import replaying  # noqa: PLC0415 - likewise
    from dispatchd.evaluate.evaluator import Fault  # noqa: PLC0415 - likewise

    async with opened(config) as store, replaying(store) as counting:
        query = await _whole(store, asked)
        await _check(config, store, query)
        draft = await store.draft_job(query, None, SystemClock().now_ms())
        count = await counting.count(draft)
    if isinstance(count, Fault):
        raise DispatchdError(f"the filter could not be asked: {count.reason}")
    return count


async def _whole(store: "Store", query: "ReplayQuery") -> "ReplayQuery":
    """Return the query with whole ids for the beginnings that were given."""
    given = [await find_event_id(store, one) for one in query.event_ids]
    return replace(query, event_ids=tuple(dict.fromkeys(given)))


async def _check(config: "Outline", store: "Store", query: "ReplayQuery") -> None:
    """Refuse names and ids that are not there: a slip must not look like nothing to do."""
    lanes = await store.lane_states()
    check_name("destination", query.destination, {*config.destinations, *lanes})
    check_name("endpoint", query.endpoint, {*config.endpoints, ALERTS})
    missing = [one for one in query.event_ids if await store.get_event(one) is None]
    if missing:
        raise DispatchdError(f"nothing was replayed: there is no event {_named(missing)}")


def _tell_count(counted: "Count", *, as_json: bool) -> None:
    from dispatchd.shapes.job import dry_run_fields  # noqa: PLC0415 - not for --help

    counts = counted.by_destination
    if as_json:
        click.echo(to_json(dry_run_fields(counts, complete=counted.complete)))
        return
    count = sum(counts.values())
    click.echo(f"Would replay {plural(count, 'delivery')}." if count else "Nothing to replay.")
    if len(counts) > 1:
        for name in sorted(counts):
            click.echo(f"{counts[name]:>9,} to {printable(name)}")


def _tell_done(job: "Job", held: dict[str, str], *, as_json: bool) -> None:
    from dispatchd.store.jobs import JobState  # noqa: PLC0415 - not for --help

    if as_json:
        told = {
            "job": job.id,
            "state": job.state.value,
            "deliveries": job.replayed,
            "undecided": job.undecided,
            "dry_run": False,
            "held": held,
        }
        click.echo(to_json(told))
    elif job.replayed or job.state is not JobState.DONE:
        click.echo(f"Replayed {plural(job.replayed, 'delivery')}.")
    else:
        click.echo("Nothing to replay.")
    if job.undecided:
        told_of = f"for {plural(job.undecided, 'delivery')}, which were not replayed"
        click.echo(f"The filter yielded neither true nor false {told_of}.", err=True)
    if job.state is JobState.CANCELLED:
        raise DispatchdError(f"job {job.id} was cancelled")
    if job.state is JobState.FAILED:
        raise DispatchdError(f"job {job.id} failed: {job.error}")
    if not as_json:
        for name, reason in held.items():
            click.echo(f"Those to {name} wait, it is held: {reason}", err=True)


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED_MAX
    return ", ".join(ids[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
