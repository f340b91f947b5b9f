"""Replay jobs: create, watch, cancel."""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Literal, NotRequired, TypedDict

import orjson

from dispatchd.admin.api.operation import (
    LIMIT,
    TEXT_MAX_CHARS,
    Asked,
    Operation,
    number,
    read_time,
)
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import FlawFields, Problem, not_found
from dispatchd.evaluate.evaluator import Fault
from dispatchd.limits import read_rate
from dispatchd.match import compile_filter, expression_problem
from dispatchd.model import DeliveryStatus
from dispatchd.shapes.job import DryRunFields, JobFields, dry_run_fields, job_fields
from dispatchd.store.jobs import JobState, ReplayQuery

NUMBER_MAX: Final = 2**53
FILTER_MAX_BYTES: Final = 16 * 1024  # it is told with every list of jobs
_IDS_MAX: Final = 100
JOB: Final = number("job", "The job's number.", NUMBER_MAX)


class ReplayFields(TypedDict):
    """What to replay: the deliveries for which all that is given holds.

    With `event_ids`, all deliveries of these events unless `statuses` says otherwise; else the
    failed ones, or those of `statuses`. `rate` is 50/s or 600/m.
    """

    event_ids: NotRequired[list[str]]
    endpoint: NotRequired[str]
    destination: NotRequired[str]
    statuses: NotRequired[list[Literal["queued", "retrying", "success", "failed"]]]
    event_type: NotRequired[str]
    since: NotRequired[str]
    until: NotRequired[str]
    filter: NotRequired[str | dict[str, Any]]
    rate: NotRequired[str]
    as_sent: NotRequired[bool]


class JobsFields(TypedDict):
    """Replay jobs, newest first."""

    items: list[JobFields]


async def list_jobs(parts: AdminParts, asked: Asked) -> JobsFields:
    """List jobs."""
    jobs = await parts.reads.find_jobs(asked.get("limit") or 50)
    return {"items": [job_fields(job) for job in jobs]}


async def create_job(parts: AdminParts, asked: Asked) -> JobFields:
    """Keep a replay; the daemon does it in small batches."""
    given = asked.body
    query, rate = _read(given, asked.now_ms)
    await _check(parts, query)
    job = await parts.store.keep_job(await parts.reads.draft_job(query, rate, asked.now_ms))
    parts.look()
    return job_fields(job)


async def count_job(parts: AdminParts, asked: Asked) -> DryRunFields:
    """Count what a replay would replay, for ten seconds at most. Changes nothing."""
    query, _ = _read(asked.body, asked.now_ms)
    await _check(parts, query)
    count = await parts.count_replay(await parts.reads.draft_job(query, None, asked.now_ms))
    if isinstance(count, Fault):
        raise Problem(503, "evaluator", f"the filter could not be asked: {count.reason}")
    return dry_run_fields(count.by_destination, complete=count.complete)


async def get_job(parts: AdminParts, asked: Asked) -> JobFields:
    """Return how a job stands."""
    job = await parts.reads.get_job(asked.given["job"])
    if job is None:
        raise not_found(f"job {asked.given['job']}")
    return job_fields(job)


async def cancel_job(parts: AdminParts, asked: Asked) -> JobFields:
    """End a job. What it has replayed stays replayed."""
    number = asked.given["job"]
    ended = await parts.store.end_job(number, JobState.CANCELLED, asked.now_ms)
    job = await parts.reads.get_job(number)
    if job is None:
        raise not_found(f"job {number}")
    if not ended:
        raise Problem(409, "ended", f"job {number} is {job.state.value} already")
    return job_fields(job)


def _read(given: dict[str, Any], now_ms: int) -> tuple[ReplayQuery, float | None]:
    """Return what to replay, and how many a second. Raises Problem with everything wrong."""
    errors = list(_flaws(given, now_ms))
    if not given.keys() - {"rate", "as_sent"}:
        errors.append({"name": "", "message": "says nothing of what to replay"})
    if errors:
        raise Problem(400, "invalid", "the replay cannot be made", errors=errors)
    ids = tuple(dict.fromkeys(_read_id(one) for one in given.get("event_ids", ())))
    statuses = given.get("statuses") or ([] if ids else [DeliveryStatus.FAILED.value])
    query = ReplayQuery(
        event_ids=ids,
        endpoint=given.get("endpoint"),
        destination=given.get("destination"),
        statuses=tuple(map(DeliveryStatus, dict.fromkeys(statuses))),
        event_type=given.get("event_type"),
        since_ms=read_time(given["since"], now_ms) if "since" in given else None,
        until_ms=read_time(given["until"], now_ms) if "until" in given else None,
        filter=given.get("filter"),
        as_sent=given.get("as_sent", False),
    )
    return query, read_rate(given["rate"]).per_s if "rate" in given else None


def _flaws(given: dict[str, Any], now_ms: int) -> Iterator[FlawFields]:
    ids = given.get("event_ids", ())
    if len(ids) > _IDS_MAX:
        yield {"name": "event_ids", "message": f"are more than {_IDS_MAX}"}
    reads: dict[str, tuple[Callable[[Any], Any], Any]] = {
        f"event_ids[{index}]": (_read_id, one) for index, one in enumerate(ids[:_IDS_MAX])
    }
    readers: dict[str, Callable[[Any], Any]] = {
        "since": partial(read_time, now_ms=now_ms),
        "until": partial(read_time, now_ms=now_ms),
        "rate": read_rate,
        "filter": _read_filter,
        "event_type": _read_glob,
    }
    reads |= {name: (read, given[name]) for name, read in readers.items() if name in given}
    for name, (read, value) in reads.items():
        try:
            read(value)
        except ValueError as error:
            yield {"name": name, "message": str(error)}


def _read_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("is no event id") from None


def _read_glob(text: str) -> None:
    if len(text) > TEXT_MAX_CHARS:
        raise ValueError(f"must have at most {TEXT_MAX_CHARS} characters")


def _read_filter(chosen: str | dict[str, Any]) -> None:
    if len(chosen) > FILTER_MAX_BYTES:
        raise ValueError(f"is longer than {FILTER_MAX_BYTES} bytes")
    if not isinstance(chosen, str):
        compile_filter(chosen)
    elif expression_problem(chosen) is not None:
        raise ValueError("is not a valid JSONata expression")
    if len(orjson.dumps(chosen)) > FILTER_MAX_BYTES:  # what is deep was refused above
        raise ValueError(f"is longer than {FILTER_MAX_BYTES} bytes")


async def _check(parts: AdminParts, query: ReplayQuery) -> None:
    """Refuse names and ids that are not there: a slip must not look like nothing to do."""
    errors: list[FlawFields] = []
    lanes = await parts.reads.lane_states()
    if query.destination not in (None, *parts.running.destinations, *lanes):
        errors.append({"name": "destination", "message": "there is no such destination"})
    if query.endpoint not in (None, *parts.running.slugs):
        errors.append({"name": "endpoint", "message": "there is no such endpoint"})
    missing = [one for one in query.event_ids if await parts.reads.get_event(one) is None]
    errors += [{"name": "event_ids", "message": f"there is no event {one}"} for one in missing]
    if errors:
        raise Problem(400, "invalid", "nothing was replayed", errors=errors)


OPERATIONS: Final = (
    Operation(
        "GET", "/jobs", list_jobs, "List replays, newest first.", JobsFields, in_query=(LIMIT,)
    ),
    Operation(
        "POST",
        "/jobs",
        create_job,
        "Replay deliveries: they start afresh, due now, with every attempt ahead.",
        JobFields,
        body=ReplayFields,
        status=201,
    ),
    Operation(
        "POST",
        "/dry-run",
        count_job,
        "Count what a replay would replay, by destination; changes nothing.",
        DryRunFields,
        body=ReplayFields,
    ),
    Operation(
        "GET", "/jobs/{job}", get_job, "Return how far a replay is.", JobFields, in_path=(JOB,)
    ),
    Operation(
        "POST",
        "/jobs/{job}/cancel",
        cancel_job,
        "End a replay; what it has replayed stays replayed.",
        JobFields,
        in_path=(JOB,),
        errors=(409,),
    ),
)
