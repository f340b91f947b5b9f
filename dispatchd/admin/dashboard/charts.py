"""Charts as SVG, drawn on the server: shapes alone, so that they stretch; words stand around them.

No style is written into them: a strict policy would refuse it. Colours are classes.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, log10
from typing import Final

from dispatchd.frozen import frozen

SPARK_STEPS_MAX: Final = 60
SPARK_HEIGHT: Final = 28
CHART_HEIGHT: Final = 100
STEP_WIDTH: Final = 2  # so that the middle of each step is a whole number
GRID: Final = (0, 50, 100)
_NICE: Final = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)


@frozen
class Chart:
    """A drawing, and the number that its top means."""

    svg: str
    top: float


def spark(good: Sequence[int], bad: Sequence[int], said: str) -> str:
    """Return small bars, what went wrong on top of what went well, and `said` of them in words."""
    good, bad = _merged(good), _merged(bad)
    top = max((g + b for g, b in zip(good, bad, strict=True)), default=0)
    width = STEP_WIDTH * max(1, len(good))
    return (
        f'<svg class="spark" viewBox="0 0 {width} {SPARK_HEIGHT}" preserveAspectRatio="none"'
        f' role="img"><title>{escape(said)}</title>'
        f'<path class="base" d="M0 {SPARK_HEIGHT}H{width}"/>'
        f"{_stacked(good, bad, top, SPARK_HEIGHT)}</svg>"
    )


def _merged(values: Sequence[int]) -> Sequence[int]:
    """Return values two by two where they are too many for a small chart."""
    if len(values) <= SPARK_STEPS_MAX:
        return values
    return [sum(values[place : place + 2]) for place in range(0, len(values), 2)]


def bars(good: Sequence[int], bad: Sequence[int], titles: Sequence[str], label: str) -> Chart:
    """Return a chart of bars, with what each is under the pointer."""
    top = nice_top(max((g + b for g, b in zip(good, bad, strict=True)), default=0))
    return _chart(_stacked(good, bad, top, CHART_HEIGHT), top, titles, label)


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
        f'<path d="M{place * STEP_WIDTH + 1} 0V{CHART_HEIGHT}">'
        f"<title>{escape(title)}</title></path>"
        for place, title in enumerate(titles)
    )
    svg = (
        f'<svg viewBox="0 0 {width} {CHART_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}">{grid}<g class="bars">{drawn}</g>'
        f'<g class="hit">{under}</g></svg>'
    )
    return Chart(svg, top)


def _stacked(good: Sequence[int], bad: Sequence[int], top: float, height: int) -> str:
    """Return two paths of bars, as strokes; a bar that is not nothing can be seen."""
    if not top:
        return ""
    wells, wrongs = [], []
    for place, (well, wrong) in enumerate(zip(good, bad, strict=True)):
        x = place * STEP_WIDTH + 1
        high = _high(well, top, height)
        if well:
            wells.append(f"M{x} {height}V{height - high}")
        if wrong:
            wrongs.append(f"M{x} {height - high}v-{_high(wrong, top, height)}")
    return f'<path class="good" d="{"".join(wells)}"/><path class="bad" d="{"".join(wrongs)}"/>'


def _high(count: int, top: float, height: int) -> int:
    return max(round(count / top * height), 1) if count else 0


def _way(values: Sequence[float | None], top: float) -> Iterator[str]:
    """Yield the pieces of a path through the middles of the steps; one alone is a short line."""
    pen = "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x = place * STEP_WIDTH + 1
        y = round(CHART_HEIGHT * (1 - log10(max(value, 1)) / log10(top)), 1)
        alone = pen == "M" and (place + 1 == len(values) or values[place + 1] is None)
        yield f"M{x - 0.6:g} {y:g}h1.2" if alone else f"{pen}{x} {y:g}"
        pen = "L"
