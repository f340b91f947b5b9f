"""`/metrics` for Prometheus: what is counted in memory, and what the store is asked at a scrape.

Names and units are by Prometheus' guide: https://prometheus.io/docs/practices/naming/
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector

from dispatchd import __version__
from dispatchd.admin.counters import Counters, Histogram, cumulated
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.standing import Standing
from dispatchd.store.commit_times import BOUNDS_S

if TYPE_CHECKING:
    from dispatchd.store.base import LaneSummary

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STATES: Final = ("open", "paced", "held")
ENDS: Final = ("success", "failed")


class Metrics:
    """Answers scrapes."""

    def __init__(self, parts: AdminParts, counters: Counters, standing: Standing) -> None:
        self._parts = parts
        self._seen = standing
        self._counters = counters
        self._lanes: Sequence[LaneSummary] = ()
        self._disk: tuple[int, int] | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    async def scrape(self, _: web.Request) -> web.Response:
        """Answer one scrape."""
        self._lanes = await self._seen.lanes()
        self._disk = await self._seen.disk()
        response = web.Response(body=generate_latest(self._registry))
        response.headers["Content-Type"] = CONTENT_TYPE
        return response

    def collect(self) -> Iterator[Metric]:
        """Yield every metric but the process's."""
        yield from self._counted()
        yield from self._standing()
        yield from self._own()

    def _counted(self) -> Iterator[Metric]:
        counters = self._counters
        yield _counter(
            "dispatchd_requests",
            "Requests to endpoints, by what became of them: received, filtered, or why not.",
            ("endpoint", "result"),
            counters.requests,
        )
        yield _counter(
            "dispatchd_attempts",
            "Attempts at deliveries: success, or the class of the error.",
            ("destination", "result"),
            counters.attempts,
        )
        yield _counter(
            "dispatchd_deliveries",
            "Deliveries that ended: success, or failed for good.",
            ("destination", "result"),
            {**self._none_ended(), **counters.ended},
        )
        yield _counter(
            "dispatchd_pruned_events",
            "Events that the daemon deleted, because of their age or of the database's size.",
            ("why",),
            {(why,): count for why, count in counters.pruned.items()},
        )
        yield _histogram(
            "dispatchd_request_duration_seconds",
            "How long requests to endpoints took, answer and disk included.",
            {"": counters.request_times},
        )
        yield _histogram(
            "dispatchd_attempt_duration_seconds",
            "How long attempts took.",
            counters.attempt_times,
        )
        yield _histogram(
            "dispatchd_delivery_duration_seconds",
            "How long it took from an event's receipt to its delivery, retries included.",
            counters.delivery_times,
        )

    def _none_ended(self) -> Mapping[tuple[str, str], int]:
        """Return a zero for each: of a counter that begins at 1, Prometheus sees no increase."""
        names = self._parts.running.destinations
        return {(name, result): 0 for name in names for result in ENDS}

    def _standing(self) -> Iterator[Metric]:
        now_ms = self._parts.clock.now_ms()
        backlog = GaugeMetricFamily(
            "dispatchd_backlog_deliveries", "Deliveries that are owed.", labels=["destination"]
        )
        leased = GaugeMetricFamily(
            "dispatchd_leased_deliveries",
            "Those of them that consumers of a queue have claimed.",
            labels=["destination"],
        )
        due = GaugeMetricFamily(
            "dispatchd_oldest_due_age_seconds",
            "For how long the delivery has been due that is due longest; 0 where none is.",
            labels=["destination"],
        )
        state = GaugeMetricFamily(
            "dispatchd_lane_state",
            "1 for the state that a destination is in: open, paced or held.",
            labels=["destination", "state"],
        )
        for lane in self._lanes:
            name = [lane.destination]
            backlog.add_metric(name, lane.backlog)
            leased.add_metric(name, lane.leased)
            age_ms = 0 if lane.oldest_due_ms is None else max(0, now_ms - lane.oldest_due_ms)
            due.add_metric(name, age_ms / 1000)
            for word in STATES:
                state.add_metric([lane.destination, word], float(lane.state.word == word))
        yield from (backlog, leased, due, state)

    def _own(self) -> Iterator[Metric]:
        parts = self._parts
        times = parts.commit_times()
        yield HistogramMetricFamily(
            "dispatchd_commit_duration_seconds",
            "How long commits of the database took, waiting for its thread included.",
            buckets=cumulated(times.counts, BOUNDS_S),
            sum_value=times.total_s,
        )
        yield CounterMetricFamily(
            "dispatchd_commit_writes", "Events and results in commits.", times.writes
        )
        evaluated = parts.evaluations()
        yield _counter(
            "dispatchd_evaluations",
            "Evaluations of expressions and templates: value, no_result (theirs) or fault (ours).",
            ("result",),
            {(result,): count for result, count in evaluated.counts.items()},
        )
        yield CounterMetricFamily(
            "dispatchd_evaluation_seconds",
            "Time spent on evaluations, waiting for a turn included.",
            evaluated.total_s,
        )
        if self._disk is not None:
            yield GaugeMetricFamily(
                "dispatchd_database_bytes", "Size of the database and its log.", self._disk[0]
            )
            yield GaugeMetricFamily(
                "dispatchd_free_disk_bytes", "Free bytes where the database is.", self._disk[1]
            )
        yield GaugeMetricFamily(
            "dispatchd_store_healthy",
            "1 while the database takes writes.",
            float(parts.health.good),
        )
        yield GaugeMetricFamily(
            "dispatchd_stream_followers",
            "Who follows the live stream.",
            float(parts.feed.followers),
        )
        yield GaugeMetricFamily(
            "dispatchd_disk_low",
            "1 while webhooks are refused because the disk has less than storage.min_free left.",
            float(parts.health.disk_low),
        )
        yield GaugeMetricFamily(
            "dispatchd_config_loaded_timestamp_seconds",
            "When the config began to run that runs.",
            parts.running.began_ms / 1000,
        )
        yield InfoMetricFamily(
            "dispatchd_config",
            "Which config runs.",
            {"fingerprint": parts.running.spec.fingerprint},
        )
        yield InfoMetricFamily(
            "dispatchd_build",
            "Which dispatchd runs.",
            {"version": __version__, "python": platform.python_version()},
        )


def _counter(name: str, text: str, labels: Sequence[str], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in sorted(counts.items()):
        family.add_metric(key, count)
    return family


def _histogram(name: str, text: str, times: Mapping[str, Histogram]) -> Metric:
    """Return a histogram by destination, or without a label where the one name is empty."""
    family = HistogramMetricFamily(name, text, labels=[] if "" in times else ["destination"])
    for label, one in sorted(times.items()):
        buckets = cumulated(one.counts, one.bounds_s)
        family.add_metric([label] if label else [], buckets, one.total_s)
    return family
