"""Every figure with what it must reach, and the only place that says whether a run did.

The README's table is held to this list by a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_SPREAD = 1.25  # of the rounds' ratios: more, and their median is no result


@dataclass(frozen=True, slots=True)
class Figure:
    script: str
    name: str
    sign: str
    bound: float
    unit: str = ""

    @property
    def must(self) -> str:
        return f"{self.sign} {self.bound:g}{self.unit}"

    def met(self, value: float) -> bool:
        return value >= self.bound if self.sign == ">=" else value <= self.bound


INGEST = Figure("ingest", "durable ingest / bare handler", ">=", 0.40)
END_TO_END = Figure("end_to_end", "end to end / bare relay", ">=", 0.50)
ACCEPTED_P99 = Figure("latency", "202 at 500 events/s, p99", "<=", 10, " ms")
ARRIVAL_P50 = Figure("latency", "arrival at 500 events/s, p50", "<=", 5, " ms")
ARRIVAL_P99 = Figure("latency", "arrival at 500 events/s, p99", "<=", 25, " ms")
START_MB = Figure("backlog", "RSS after start", "<=", 80, " MB")
BACKLOG_MB = Figure("backlog", "peak RSS with 1,000,000 queued", "<=", 150, " MB")
FIRST_S = Figure("backlog", "start to first 202 with 1,000,000 queued", "<=", 2, " s")
BACKLOG_INGEST = Figure("backlog", "ingest with 1,000,000 queued / empty", ">=", 0.9)
FLOOD_P99 = Figure("flood", "202 beside a flood / alone, p99", "<=", 2)
FOLLOWED = Figure("live", "end to end with 20 followers / none", ">=", 0.8)
PRUNING_P99 = Figure("pruning", "commit while pruning / without, p99", "<=", 2)
EXACTLY_ONCE = Figure("exactly_once", "deliveries lost, doubled or left over", "<=", 0)
AGAINST_END_TO_END = Figure("against", "end to end at full load / base", ">=", 1.25)
AGAINST_INGEST = Figure("against", "durable ingest / base", ">=", 1.1)
AGAINST_P99 = Figure("against", "202 at 500 events/s with deliveries, p99 / base", "<=", 1)
AGAINST_CPU_200 = Figure("against", "CPU per event at 200 events/s / base", "<=", 0.7)
AGAINST_CPU_50 = Figure("against", "CPU per event at 50 events/s / base", "<=", 0.7)
KILL_S = Figure("against", "kill -9 to first 202, empty database", "<=", 0.35, " s")
EXAMPLE_START = Figure("against", "RSS after start, example config", "<=", 48, " MiB")
EXAMPLE_LOAD = Figure("against", "RSS after load, example config", "<=", 60, " MiB")
REFUSING_MB = Figure("memory", "peak RSS with 200 refusing destinations", "<=", 200, " MB")
HANGING_MB = Figure("memory", "peak RSS with 200 hanging destinations", "<=", 200, " MB")
STALL_MS = Figure("stall", "another's wait beside an unproved request, worst", "<=", 20, " ms")
DESTINATION_MS = Figure("stall", "a wait beside a hostile destination, worst", "<=", 20, " ms")
KEPT_OUT = Figure("stall", "webhooks kept out, and hostile requests answered 5xx", "<=", 0)
SICK_RATE = Figure("isolation", "deliveries/s to 30 beside 20 sick / alone", ">=", 0.9)
SICK_P99 = Figure("isolation", "arrival at 30 beside 20 sick / alone, p99", "<=", 1.5)
IDLE_CPU = Figure("isolation", "CPU with 1,000 idle destinations", "<=", 1, " % of a core")
IDLE_MB = Figure("isolation", "RSS with 1,000 idle destinations", "<=", 150, " MB")
DRAIN_RATE = Figure("isolation", "deliveries/s of a drain / end to end", ">=", 0.8)
BESIDE_DRAIN_P99 = Figure("isolation", "arrival beside a drain / alone, p99", "<=", 1.5)
UNWATCHED_INGEST = Figure("watched", "ingest with an admin listener / without", ">=", 0.97)
WATCHED_INGEST = Figure("watched", "ingest, scraped and looked at / without", ">=", 0.9)
UNWATCHED_END_TO_END = Figure("watched", "end to end with an admin listener / without", ">=", 0.97)
WATCHED_END_TO_END = Figure("watched", "end to end, scraped and looked at / without", ">=", 0.9)

FIGURES = (
    INGEST,
    END_TO_END,
    ACCEPTED_P99,
    ARRIVAL_P50,
    ARRIVAL_P99,
    START_MB,
    BACKLOG_MB,
    FIRST_S,
    BACKLOG_INGEST,
    FLOOD_P99,
    PRUNING_P99,
    REFUSING_MB,
    HANGING_MB,
    STALL_MS,
    DESTINATION_MS,
    KEPT_OUT,
    SICK_RATE,
    SICK_P99,
    IDLE_CPU,
    IDLE_MB,
    DRAIN_RATE,
    BESIDE_DRAIN_P99,
    UNWATCHED_INGEST,
    WATCHED_INGEST,
    UNWATCHED_END_TO_END,
    WATCHED_END_TO_END,
    FOLLOWED,
    EXACTLY_ONCE,
    AGAINST_END_TO_END,
    AGAINST_INGEST,
    AGAINST_P99,
    AGAINST_CPU_200,
    AGAINST_CPU_50,
    KILL_S,
    EXAMPLE_START,
    EXAMPLE_LOAD,
)


def judge(figure: Figure, value: float, doubts: Sequence[str] = ()) -> str:
    """The line for one figure. A doubt makes it VOID, whichever way it would have gone."""
    word = "VOID" if doubts else "ok  " if figure.met(value) else "MISS"
    why = f" - {'; '.join(doubts)}" if doubts else ""
    return f"{word} {figure.name}: {value:.3g}{figure.unit} (must be {figure.must}){why}"


def rounds_doubts(ratios: Sequence[float], disturbed: int) -> list[str]:
    """Why rounds do not make a result: they disagree, or others used the cores."""
    doubts = []
    if max(ratios) > MAX_SPREAD * min(ratios):
        doubts.append(f"rounds disagree, {min(ratios):.3f} to {max(ratios):.3f}")
    return doubts + _disturbance(disturbed, len(ratios))


def _disturbance(disturbed: int, rounds: int) -> list[str]:
    return [f"{disturbed} of {rounds} rounds were disturbed"] if 2 * disturbed >= rounds else []


def sides_doubts(figure: Figure, ratios: Sequence[float], disturbed: int) -> list[str]:
    """Likewise for a ratio of two tails, which scatters: the rounds must agree on the answer."""
    doubts = _disturbance(disturbed, len(ratios))
    if len({figure.met(ratio) for ratio in ratios}) > 1:
        doubts.append(f"rounds disagree, {min(ratios):.3f} to {max(ratios):.3f}")
    return doubts


def ceiling_doubts(ratios: Sequence[float]) -> list[str]:
    """A ceiling does strictly less, so a program above it says that the ceiling was held up."""
    return ["faster than its ceiling, which cannot be"] if max(ratios) > 1 else []
