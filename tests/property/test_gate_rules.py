"""What must hold of the gates in whatever order attempts start and end."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from dispatchd.gates import BreakerPolicy, Gates, Spacing
from dispatchd.gates.spacing import SLACK_S
from dispatchd.model import Delivered, ErrorClass, Failed, Judged, Whose

WAITS_S = st.lists(st.floats(0, 3), min_size=2, max_size=60)
JUDGED = st.sampled_from(
    [
        Delivered(),
        Failed(ErrorClass.HTTP),
        Failed(ErrorClass.HTTP, gone=True),
        Failed(ErrorClass.HTTP, retry_after_ms=5000, throttled=True),
        Failed(ErrorClass.INTERNAL, Whose.OURS),
        Failed(ErrorClass.TRANSFORM, Whose.CONTENT),
    ]
)
STEPS = st.lists(st.tuples(st.floats(0, 40), st.booleans(), JUDGED), max_size=80)


@given(st.floats(0.005, 2), WAITS_S)
def test_no_window_holds_more_starts_than_the_rate_allows(gap_s: float, waits_s: list[float]):
    spacing = Spacing(gap_s, 0.0)
    now_s, starts = 0.0, []
    for wait_s in waits_s:
        now_s = max(now_s + wait_s / 10, spacing.opens_at(now_s))
        spacing.started(now_s)
        starts.append(now_s)
    for first, start_s in enumerate(starts):
        for last in range(first + 1, len(starts)):
            assert starts[last] - start_s >= (last - first) * gap_s - SLACK_S - 1e-9
    assert starts[0] >= gap_s


@given(st.integers(1, 5), STEPS)
def test_an_open_breaker_lets_one_probe_through_at_a_time(
    open_after: int, steps: list[tuple[float, bool, Judged]]
) -> None:
    policy = BreakerPolicy(open_after, probe_every_s=5.0, max_probe_every_s=60.0)
    gates = Gates(policy, None, 0.0)
    now_s = 0.0
    under_way: list[bool] = []  # whether each is a probe
    in_a_row = 0
    for wait_s, start, judged in steps:
        now_s += wait_s
        was_open = gates.breaker.open
        if start:
            if gates.opens_at(now_s) <= now_s:
                assert not (was_open and True in under_way)
                under_way.append(was_open is not None)
                gates.started(now_s)
            continue
        if not under_way:
            continue
        probe = under_way.pop(0)
        gates.ended(judged, now_s, probe=probe)
        if isinstance(judged, Delivered):
            in_a_row = 0
            under_way = [False] * len(under_way)  # a probe of an episode that is over
            assert gates.breaker.open is None
        elif judged.whose is Whose.THEIRS:
            in_a_row += 1
            assert (gates.breaker.open is not None) == (
                was_open is not None or judged.gone or in_a_row >= open_after
            )
        else:
            assert gates.breaker.open is was_open
        if gates.breaker.open is not None and True not in under_way:
            assert gates.opens_at(now_s) < inf  # it goes on by itself
        if gates.fresh:
            assert gates.opens_at(now_s) == now_s
