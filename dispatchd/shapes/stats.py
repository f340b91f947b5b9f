"""Statistics: sums since a time, and how they came about over time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict

from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.shapes.spelling import iso, iso_or_none

if TYPE_CHECKING:
    from dispatchd.store.counts import Counts
    from dispatchd.store.stats import Stats


class DestinationStatsFields(TypedDict):
    """Deliveries of one destination: all open ones, and those that ended since."""

    destination: str
    queued: int
    retrying: int
    success: int
    failed: int
    held: int
    oldest_due: str | None
    held_because: str | None


class StatsFields(TypedDict):
    """Sums since a time, and until another, which is null for now."""

    since: str
    until: str | None
    events: dict[str, int]
    destinations: list[DestinationStatsFields]
    database_bytes: int


class EndpointPointFields(TypedDict):
    """What came to an endpoint (null: to slugs that are nobody's) from `start` on, by result."""

    start: str
    endpoint: str | None
    results: dict[str, int]


class DestinationPointFields(TypedDict):
    """What attempts at a destination made of deliveries, and how long those that succeeded took."""

    start: str
    destination: str
    results: dict[str, int]
    p50_ms: float | None
    p99_ms: float | None


class HistoryFields(TypedDict):
    """Counts over time; a minute or an hour (`step_s`) in which nothing happened is left out.

    `until` is how far it reaches, and `next` the `since` of what is left, null where nothing is.
    """

    since: str
    until: str
    next: str | None
    step_s: int
    endpoints: list[EndpointPointFields]
    destinations: list[DestinationPointFields]


def stats_fields(stats: "Stats", since_ms: int, until_ms: int | None = None) -> StatsFields:
    """Return sums since `since_ms`, until `until_ms`."""
    return {
        "since": iso(since_ms),
        "until": iso_or_none(until_ms),
        "events": {status.value: stats.events.get(status, 0) for status in EventStatus},
        "destinations": [
            {
                "destination": lane.destination,
                "queued": lane.counts.get(DeliveryStatus.QUEUED, 0),
                "retrying": lane.counts.get(DeliveryStatus.RETRYING, 0),
                "success": lane.counts.get(DeliveryStatus.SUCCESS, 0),
                "failed": lane.counts.get(DeliveryStatus.FAILED, 0),
                "held": lane.counts.get(DeliveryStatus.HELD, 0),
                "oldest_due": iso_or_none(lane.oldest_due_ms),
                "held_because": lane.held_because,
            }
            for lane in stats.destinations
        ],
        "database_bytes": stats.database_bytes,
    }


def history_fields(counts: "Counts", since_ms: int, until_ms: int) -> HistoryFields:
    """Return counts over time."""
    return {
        "since": iso(since_ms),
        "until": iso(until_ms if counts.next_ms is None else counts.next_ms),
        "next": iso_or_none(counts.next_ms),
        "step_s": counts.span_s,
        "endpoints": list(_endpoints(counts)),
        "destinations": list(_destinations(counts)),
    }


def _endpoints(counts: "Counts") -> Iterator[EndpointPointFields]:
    found: dict[tuple[int, str | None], dict[str, int]] = {}
    for one in counts.endpoints:
        found.setdefault((one.start_s, one.endpoint), {})[one.result] = one.count
    for (start_s, endpoint), results in found.items():
        yield {"start": iso(start_s * 1000), "endpoint": endpoint, "results": results}


def _destinations(counts: "Counts") -> Iterator[DestinationPointFields]:
    from dispatchd.store.counts import quantile_ms  # noqa: PLC0415 - not for --help

    found: dict[tuple[int, str], dict[str, int]] = {}
    timed: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for one in counts.destinations:
        key = (one.start_s, one.destination)
        results = found.setdefault(key, {})
        results[one.result] = results.get(one.result, 0) + one.count
        if one.result == "success":
            timed.setdefault(key, []).append((one.within_ms, one.count))
    for key, results in found.items():
        latencies = timed.get(key, [])
        yield {
            "start": iso(key[0] * 1000),
            "destination": key[1],
            "results": results,
            "p50_ms": quantile_ms(latencies, 0.5),
            "p99_ms": quantile_ms(latencies, 0.99),
        }
