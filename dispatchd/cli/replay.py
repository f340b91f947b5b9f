"""`dispatchd replay`: deliver events again."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.alert_kinds import ALERTS
from dispatchd.cli.asking import ask_first, yes_option
from dispatchd.cli.completing import DESTINATIONS, ENDPOINTS, latest
from dispatchd.cli.ids import event_ids_given, find_event_id, parse_event_ids
from dispatchd.cli.options import (
    check_name,
    check_stretch,
    config_option,
    json_option,
    since_option,
    until_option,
)
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import plural, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.model import DeliveryStatus
from dispatchd.shapes.told import ReplayedFields
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store import Store
    from dispatchd.store.jobs import Job, LinkTerms, ReplayQuery
    from dispatchd.upkeep.counting import Count

COUNTED_MAX: Final = 10_000  # before it is asked: how many more hardly matters
COUNTED_MAX_S: Final = 5.0  # likewise
NAMED_MAX = 5  # ids in one error; more than that is a wrong database, not a slip
ANY: Final = "any"
NONE_DONE: Final[ReplayedFields] = {
    "job": None,
    "state": "done",
    "deliveries": 0,
    "undecided": 0,
    "dry_run": False,
    "held": {},
}
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
@click.argument(
    "given_ids", type=parse_event_ids, nargs=-1, metavar="[EVENT_ID]...", shell_complete=latest
)
@config_option
@click.option("--failed", is_flag=True, help="Every failed delivery; short for --status failed.")
@click.option(
    "--endpoint", shell_complete=ENDPOINTS, metavar="SLUG", help="Only events of this endpoint."
)
@click.option(
    "--destination",
    shell_complete=DESTINATIONS,
    metavar="NAME",
    help="Only deliveries to this destination.",
)
@click.option(
    "--status",
    "statuses",
    type=click.Choice([*KEPT, ANY]),
    multiple=True,
    help="Only such deliveries; failed ones unless told, with event ids any.",
)
@click.option("--event-type", metavar="GLOB", help="Only events of this type; `*` and `?` work.")
@since_option
@until_option
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
@click.option(
    "--to",
    shell_complete=DESTINATIONS,
    metavar="NAME",
    help="Make deliveries to this destination where none was.",
)
@click.option(
    "--unfiltered", is_flag=True, help="With --to: also what its links do not let through now."
)
@click.option("--dry-run", is_flag=True, help="Only count what would be replayed.")
@yes_option
@json_option
def command(
    *,
    given_ids: tuple[str, ...],
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
    to: str | None,
    unfiltered: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Deliver events again: their deliveries start afresh, due now, with every attempt ahead.

    With event ids (`-` reads them from standard input), all deliveries of these events,
    whatever became of them; else the failed deliveries for which all that is given holds. With
    --to, events that were never owed to a destination are, as its links now would have it.

    It is a job: a running daemon does it, and goes on if this command is ended; without one
    this command does. `dispatchd jobs` shows how far it is. Over 100 deliveries it asks first.

    \b
    Example:
      dispatchd replay 0198c0de-0000-7000-8000-000000000001
      dispatchd replay --failed --destination crm --since 2h --rate 50/s
      dispatchd replay --to audit --since 7d
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store.jobs import ReplayQuery  # noqa: PLC0415 - not for --help

    if given_ids and failed:
        raise click.UsageError("Name event ids or say --failed: one of the two.")
    if to is not None and (failed or destination is not None or statuses or as_sent):
        raise click.UsageError(
            "--to makes new deliveries: no --failed, --status, --destination or --as-sent with it."
        )
    if unfiltered and to is None:
        raise click.UsageError("--unfiltered goes with --to.")
    narrowed = (endpoint, destination, *statuses, event_type, since_ms, until_ms, chosen, to)
    if not given_ids and not failed and all(given is None for given in narrowed):
        raise click.UsageError("Name event ids, or say --failed or which: --since, --status, …")
    check_stretch(since_ms, until_ms)
    config = load_outline(config_path)
    check_name("destination", to, config.destinations, "--to")
    event_ids = event_ids_given(given_ids)
    if given_ids and not event_ids:
        click.echo(to_json(NONE_DONE) if as_json else "Nothing to replay: no event id was given.")
        return
    if failed:
        statuses = (*statuses, DeliveryStatus.FAILED.value)
    elif not statuses and to is None:
        statuses = (ANY,) if event_ids else (DeliveryStatus.FAILED.value,)
    query = ReplayQuery(
        event_ids=event_ids,
        endpoint=endpoint,
        destination=destination,
        statuses=() if ANY in statuses else tuple(map(DeliveryStatus, dict.fromkeys(statuses))),
        event_type=event_type,
        since_ms=since_ms,
        until_ms=until_ms,
        filter=chosen,
        as_sent=as_sent,
        to=to,
        links={} if to is None else _links(config_path, to, endpoint, unfiltered=unfiltered),
    )
    if dry_run:
        _tell_count(asyncio.run(_count(config, query)), as_json=as_json)
        return
    job, held = _run(config, query, rate, yes=yes)
    _tell_done(job, held, as_json=as_json)


def _links(
    config_path: str | None, to: str, endpoint: str | None, *, unfiltered: bool
) -> "dict[str, LinkTerms]":
    """Return by endpoint what its link to `to` carries. Raises BadParameter where none does."""
    from dispatchd.config import find_config, load_links  # noqa: PLC0415 - not for --help

    links = load_links(find_config(config_path), to)
    if not links:
        raise click.BadParameter(
            f"no endpoint of the config has a link to {to!r}.", param_hint="--to"
        )
    if endpoint is not None and endpoint not in links:
        raise click.BadParameter(
            f"endpoint {endpoint!r} has no link to {to!r} in the config.", param_hint="--to"
        )
    anything: LinkTerms = {"event_types": [], "filters": [], "rules": []}
    return {slug: anything if unfiltered else terms for slug, terms in links.items()}


def _run(
    config: "Outline", asked: "ReplayQuery", rate: float | None, *, yes: bool
) -> tuple["Job", dict[str, str]]:
    """Replay as a job; return how it ended, and why some deliveries may wait."""
    from dispatchd.cli.following import follow, interruptible  # noqa: PLC0415 - likewise

    async def replay(started: list[int]) -> tuple["Job", dict[str, str]]:
        async with opened(config) as store:
            query = await _whole(store, asked)
            await _check(config, store, query)
            if not yes:
                _ask_first(await _counted(store, query, COUNTED_MAX_S, COUNTED_MAX))
            job = await store.add_job(query, rate, SystemClock().now_ms())
            started.append(job.id)
            # Of the failed ones, and nothing else asked, what there is to look at is all of it.
            whole = query.to is None and query == _only_failed(query)
            job = await follow(store, job, job.total if whole else None)
            if not job.replayed:
                return job, {}
            held = {
                lane.destination: lane.held_because
                for lane in (await store.stats(SystemClock().now_ms())).destinations
                if lane.held_because is not None
                and (query.to or query.destination) in (None, lane.destination)
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
    async with opened(config) as store:
        query = await _whole(store, asked)
        await _check(config, store, query)
        return await _counted(store, query)


def _ask_first(counted: "Count") -> None:
    """Ask where they are many, or may be: a filter may take longer than people wait."""
    count = sum(counted.by_destination.values())
    told = plural(count, "delivery")
    if count > COUNTED_MAX:
        told = f"more than {COUNTED_MAX:,} deliveries"
    elif not counted.complete:
        told = f"{told} or more"
    ask_first(f"replay {told}", count if counted.complete else inf)


async def _counted(
    store: "Store", query: "ReplayQuery", most_s: float = inf, most: float = inf
) -> "Count":
    from dispatchd.cli.following import replaying  # noqa: PLC0415 - likewise
    from dispatchd.evaluate.evaluator import Fault  # noqa: PLC0415 - likewise

    async with replaying(store) as counting:
        draft = await store.draft_job(query, None, SystemClock().now_ms())
        count = await counting.count(draft, most_s, most)
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
        told: ReplayedFields = {
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
