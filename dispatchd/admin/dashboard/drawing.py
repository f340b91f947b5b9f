"""The charts of a past, with what is told of each step under the pointer."""

from datetime import UTC, datetime
from math import sqrt
from typing import Final

from dispatchd.admin.dashboard.charts import bars, lines, spark
from dispatchd.admin.dashboard.filters import number, took
from dispatchd.admin.dashboard.past import Line, Past
from dispatchd.frozen import frozen
from dispatchd.store.counts import HOUR_S

LABELS: Final = 4  # below a chart


@frozen
class Drawn:
    """A chart and what stands around it."""

    title: str
    svg: str
    top: str
    middle: str
    bottom: str
    labels: list[str]
    empty: bool


def came_drawn(past: Past, line: Line) -> Drawn:
    """Draw what was received and refused."""
    return _bars_drawn("Received", past, line, ("received", "refused"))


def went_drawn(past: Past, line: Line, *, queue: bool = False) -> Drawn:
    """Draw the attempts that succeeded and failed; of a queue, what its consumers said."""
    if queue:
        return _bars_drawn("Acked", past, line, ("acked", "nacked or ran out"))
    return _bars_drawn("Delivered", past, line, ("delivered", "tries failed"))


def _bars_drawn(title: str, past: Past, line: Line, words: tuple[str, str]) -> Drawn:
    went_well, did_not = words
    titles = [
        f"{at}: {number(good)} {went_well}, {number(bad)} {did_not}"
        for at, good, bad in zip(_times(past), line.good, line.bad, strict=True)
    ]
    label = (
        f"{title} in {past.span.words}: {number(sum(line.good))}, {did_not} {number(sum(line.bad))}"
    )
    chart = bars(line.good, line.bad, titles, label)
    return _drawn(
        title,
        past,
        chart.svg,
        (number(chart.top), _half(chart.top), "0"),
        empty=not any(line.results.values()),
    )


def times_drawn(past: Past) -> Drawn:
    """Draw how long deliveries took."""
    titles = [
        f"{at}: half within {took(half)}, 99 % within {took(most)}"
        for at, half, most in zip(_times(past), past.p50_ms, past.p99_ms, strict=True)
    ]
    whole = past.all_destinations
    label = (
        f"Time of deliveries in {past.span.words}: half within {took(whole.quantile_ms(0.5))},"
        f" 99 % within {took(whole.quantile_ms(0.99))}"
    )
    chart = lines(past.p99_ms, past.p50_ms, titles, label)
    return _drawn(
        "Delivery time",
        past,
        chart.svg,
        (took(chart.top), took(sqrt(chart.top)), took(1)),
        empty=not whole.times,
    )


def _half(top: float) -> str:
    return number(top / 2) if top % 2 == 0 else ""


def came_spark(past: Past, line: Line) -> str:
    """Draw small what was received and refused."""
    good, bad = number(sum(line.good)), number(sum(line.bad))
    return spark(line.good, line.bad, f"{good} received, {bad} refused in {past.span.words}")


def went_spark(past: Past, line: Line) -> str:
    """Draw small the attempts that succeeded and failed."""
    good, bad = number(sum(line.good)), number(sum(line.bad))
    return spark(line.good, line.bad, f"{good} delivered, {bad} tries failed in {past.span.words}")


def _drawn(title: str, past: Past, svg: str, scale: tuple[str, str, str], *, empty: bool) -> Drawn:
    times = _times(past)
    labels = [times[len(times) * place // LABELS] for place in range(LABELS)]
    return Drawn(title, svg, *scale, [*labels, "now"], empty)


def _times(past: Past) -> list[str]:
    """Say when each step begins, in UTC: with its day where there are several."""
    form = "%a %H:%M" if past.span.steps * past.span.step_s > 24 * HOUR_S else "%H:%M"
    return [
        datetime.fromtimestamp(past.since_s + place * past.span.step_s, UTC).strftime(form)
        for place in range(past.span.steps)
    ]
