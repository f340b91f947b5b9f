"""Replay jobs: what was asked for, and how far they are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from dispatchd.shapes.spelling import iso, iso_or_none

if TYPE_CHECKING:
    from dispatchd.store.jobs import Job, ReplayQuery


class QueryFields(TypedDict):
    """Which deliveries a replay starts afresh: those for which all that is given holds.

    With `to`, it makes those to that destination of events that have none.
    """

    event_ids: list[str]
    endpoint: str | None
    destination: str | None
    statuses: list[str]
    event_type: str | None
    since: str | None
    until: str | None
    filter: str | dict[str, Any] | None
    as_sent: bool
    to: str | None


class JobFields(TypedDict):
    """A replay. It has `looked` at so many of `total`, and replayed so many `deliveries`."""

    job: int
    kind: str
    state: str
    query: QueryFields
    rate_per_s: float | None
    total: int
    looked: int
    deliveries: int
    undecided: int
    created: str
    started: str | None
    ended: str | None
    error: str | None


def job_fields(job: "Job") -> JobFields:
    """Return how a job stands."""
    return {
        "job": job.id,
        "kind": "replay",
        "state": job.state.value,
        "query": query_fields(job.query),
        "rate_per_s": job.rate,
        "total": job.total,
        "looked": job.looked,
        "deliveries": job.replayed,
        "undecided": job.undecided,
        "created": iso(job.created_ms),
        "started": iso_or_none(job.started_ms),
        "ended": iso_or_none(job.ended_ms),
        "error": job.error,
    }


def query_fields(query: "ReplayQuery") -> QueryFields:
    """Return what a replay was asked for."""
    return {
        "event_ids": list(query.event_ids),
        "endpoint": query.endpoint,
        "destination": query.destination,
        "statuses": [status.value for status in query.statuses],
        "event_type": query.event_type,
        "since": iso_or_none(query.since_ms),
        "until": iso_or_none(query.until_ms),
        "filter": query.filter
        if query.filter is None or isinstance(query.filter, str)
        else dict(query.filter),
        "as_sent": query.as_sent,
        "to": query.to,
    }


class DryRunFields(TypedDict):
    """What a replay would replay: so many `deliveries`, and how many of them to whom.

    Not `complete` where time ran out before all was looked at: there are at least so many.
    """

    deliveries: int
    destinations: dict[str, int]
    complete: bool
    dry_run: bool


def dry_run_fields(counts: Mapping[str, int], *, complete: bool) -> DryRunFields:
    """Return what was counted, by destination."""
    return {
        "deliveries": sum(counts.values()),
        "destinations": dict(sorted(counts.items())),
        "complete": complete,
        "dry_run": True,
    }
