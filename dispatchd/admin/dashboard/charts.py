"""Charts as SVG, drawn on the server: shapes alone, so that they stretch; words stand around them.

No style is written into them: a strict policy would refuse it. Colours are classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10
from typing import Final

SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 28
CHART_HEIGHT: Final = 100
STEP_WIDTH: Final = 10
GRID: Final = (0, 50, 100)
_NICE: Final = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and the number that its top means."""

    svg: str
    top: float


def spark(good: Sequence[int], bad: Sequence[int]) -> str:
    """Return small bars, what went wrong on top of what went well."""
    top = max((g + b for g, b in zip(good, bad, strict=True)), default=0)
    width = SPARK_WIDTH / max(1, len(good))
    return (
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}"'
        ' preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<path class="base" d="M0 {SPARK_HEIGHT - 0.5}H{SPARK_WIDTH}"/>'
        f"{_stacked(good, bad, top, width, SPARK_HEIGHT)}</svg>"
    )


def bars(good: Sequence[int], bad: Sequence[int], titles: Sequence[str], label: str) -> Chart:
    """Return a chart of bars, with what each is under the pointer."""
    top = nice_top(max((g + b for g, b in zip(good, bad, strict=True)), default=0))
    return _chart(_stacked(good, bad, top, STEP_WIDTH, CHART_HEIGHT), top, titles, label)


def lines(
    upper: Sequence[float | None], lower: Sequence[float | None], titles: Sequence[str], label: str
) -> Chart:
    """Return a chart of two lines, logarithmic from 1 on, with gaps where nothing is known."""
    most = max((value for value in (*upper, *lower) if value is not None), default=0)
    top = 10.0 ** max(2, ceil(log10(max(most, 1))))
    drawn = "".join(
        f'<path class="{name}" d="{"".join(_way(values, top))}"/>'
        for name, values in (("upper", upper), ("lower", lower))
    )
    return _chart(drawn, top, titles, label)


def nice_top(most: float) -> float:
    """Return the round number that a scale up to `most` ends with."""
    if most <= 1:
        return 1
    unit = 1
    while unit * 10 < most:
        unit *= 10
    return next(factor * unit for factor in _NICE if factor * unit >= most)


def _chart(drawn: str, top: float, titles: Sequence[str], label: str) -> Chart:
    width = STEP_WIDTH * len(titles)
    grid = "".join(f'<path class="grid" d="M0 {y}H{width}"/>' for y in GRID)
    under = "".join(
        f'<path d="M{place * STEP_WIDTH} 0h{STEP_WIDTH}v{CHART_HEIGHT}h-{STEP_WIDTH}z">'
        f"<title>{escape(title)}</title></path>"
        for place, title in enumerate(titles)
    )
    svg = (
        f'<svg viewBox="0 0 {width} {CHART_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}">{grid}{drawn}<g class="hit">{under}</g></svg>'
    )
    return Chart(svg, top)


def _stacked(good: Sequence[int], bad: Sequence[int], top: float, width: float, height: int) -> str:
    """Return two paths of bars; a bar that is not nothing can be seen."""
    if not top:
        return ""
    wells, wrongs = [], []
    bar = round(width * 0.72, 2)
    for place, (well, wrong) in enumerate(zip(good, bad, strict=True)):
        x = round(place * width + width * 0.14, 2)
        high = _high(well, top, height)
        wrong_high = _high(wrong, top, height)
        if well:
            wells.append(f"M{x:g} {height}v-{high:g}h{bar:g}v{high:g}z")
        if wrong:
            wrongs.append(f"M{x:g} {height - high:g}v-{wrong_high:g}h{bar:g}v{wrong_high:g}z")
    return f'<path class="good" d="{"".join(wells)}"/><path class="bad" d="{"".join(wrongs)}"/>'


def _high(count: int, top: float, height: int) -> float:
    return round(max(count / top * height, 0.04 * height), 1) if count else 0.0


def _way(values: Sequence[float | None], top: float) -> Iterator[str]:
    """Yield the pieces of a path through the middles of the steps; one alone is a short line."""
    pen = "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x = place * STEP_WIDTH + STEP_WIDTH / 2
        y = round(CHART_HEIGHT * (1 - log10(max(value, 1)) / log10(top)), 1)
        alone = pen == "M" and (place + 1 == len(values) or values[place + 1] is None)
        yield f"M{x - 3:g} {y:g}h6" if alone else f"{pen}{x:g} {y:g}"
        pen = "L"
