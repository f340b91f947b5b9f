"""The gates, one by one and together, with time handed in."""

from math import inf

import pytest

from dispatchd.gates import Breaker, BreakerPolicy, Cooldown, Gates, Pace, Spacing
from dispatchd.gates.breaker import RAMP_PER_S, RAMP_S
from dispatchd.gates.pace import AFTER_FAILURES, FAILING_AFTER, GAP_MAX_S, GAP_S
from dispatchd.gates.spacing import SLACK_S
from dispatchd.model import Delivered, ErrorClass, Failed, HoldKind, Judged, Whose

OK = Delivered()
FAILED = Failed(ErrorClass.HTTP)
GONE = Failed(ErrorClass.HTTP, gone=True)
OURS = Failed(ErrorClass.INTERNAL, Whose.OURS)
CONTENT = Failed(ErrorClass.TRANSFORM, Whose.CONTENT)
POLICY = BreakerPolicy(open_after=3, probe_every_s=30.0, max_probe_every_s=100.0)


def asked(seconds: float, *, throttled: bool = True) -> Failed:
    return Failed(ErrorClass.HTTP, retry_after_ms=round(seconds * 1000), throttled=throttled)


def tell(gate: Pace | Cooldown | Breaker, *ends: Judged, now_s: float = 0.0) -> None:
    for judged in ends:
        gate.ended(judged, now_s, probe=False)


# Pace


def test_a_destination_that_only_fails_is_paced_until_it_does_not() -> None:
    pace = Pace()
    tell(pace, *[FAILED] * (AFTER_FAILURES - 1))
    pace.started(5.0)
    assert (pace.slow, pace.opens_at(5.0)) == (False, 5.0)
    tell(pace, OURS, CONTENT)
    assert not pace.slow
    tell(pace, FAILED)
    pace.started(5.0)
    assert (pace.slow, pace.opens_at(5.0)) == (True, 5.0 + GAP_S)
    for wider in (2, 4, 8, 16):  # a dead one costs less and less
        tell(pace, *[FAILED] * AFTER_FAILURES)
        pace.started(5.0)
        assert pace.opens_at(5.0) == 5.0 + GAP_S * wider
    tell(pace, *[FAILED] * 1000)
    pace.started(5.0)
    assert pace.opens_at(5.0) == 5.0 + GAP_MAX_S
    tell(pace, OK)
    assert (pace.slow, pace.fresh, pace.opens_at(5.0)) == (False, True, 5.0)


def test_a_few_failures_take_the_spare_room_away() -> None:
    pace = Pace()
    tell(pace, *[FAILED] * (FAILING_AFTER - 1))
    assert not pace.failing
    tell(pace, FAILED)
    assert pace.failing


# Cooldown


def test_a_destination_that_asked_to_be_left_alone_is() -> None:
    cooldown = Cooldown()
    tell(cooldown, asked(60), now_s=10.0)
    assert (cooldown.opens_at(11.0), cooldown.fresh) == (70.0, False)
    tell(cooldown, asked(5), now_s=11.0)  # what was under way may ask for more, not for less
    assert cooldown.opens_at(11.0) == 70.0
    tell(cooldown, OK, FAILED, now_s=12.0)
    assert cooldown.opens_at(12.0) == 70.0
    tell(cooldown, asked(90), now_s=12.0)
    assert cooldown.opens_at(12.0) == 102.0
    cooldown.started(102.0)
    assert cooldown.fresh


def test_only_an_answer_that_means_everything_cools_a_lane_down() -> None:
    cooldown = Cooldown()
    tell(cooldown, asked(60, throttled=False), asked(0), Failed(ErrorClass.HTTP, throttled=True))
    assert cooldown.fresh


def test_no_destination_is_left_alone_for_more_than_a_day() -> None:
    cooldown = Cooldown()
    tell(cooldown, asked(10**9))
    assert cooldown.opens_at(0.0) == 24 * 3600


# Spacing


def test_the_first_start_waits_a_whole_gap_since_nobody_knows_what_came_before() -> None:
    spacing = Spacing(0.1, 50.0)
    assert spacing.opens_at(50.0) == 50.1


def test_starts_stand_apart_and_idleness_saves_nothing_up() -> None:
    spacing = Spacing(0.1, 0.0)
    spacing.started(0.1)
    assert spacing.opens_at(0.1) == 0.2
    spacing.started(7.0)
    assert spacing.opens_at(7.0) == pytest.approx(7.1 - SLACK_S)


def test_a_timer_that_rings_late_each_time_costs_no_rate() -> None:
    spacing = Spacing(0.01, 0.0)
    for n in range(1, 101):
        spacing.started(spacing.opens_at(0.0) + 0.001)
        assert spacing.opens_at(0.0) == pytest.approx((n + 1) * 0.01)


# Breaker


def opened(kind: HoldKind = HoldKind.BREAKER) -> Breaker:
    breaker = Breaker(POLICY)
    tell(breaker, *([FAILED] * 3 if kind is HoldKind.BREAKER else [GONE]), now_s=0.0)
    assert breaker.open is kind
    return breaker


def probe(breaker: Breaker, judged: Judged, now_s: float) -> None:
    breaker.started(now_s)
    assert breaker.opens_at(now_s) == inf  # one at a time
    breaker.ended(judged, now_s, probe=True)


def test_only_failures_in_a_row_open_it_and_only_the_destinations_own() -> None:
    breaker = Breaker(POLICY)
    tell(breaker, FAILED, FAILED, OK, FAILED, OURS, CONTENT, FAILED)
    assert (breaker.open, breaker.opens_at(9.0)) == (None, 9.0)
    tell(breaker, FAILED, now_s=9.0)
    assert (breaker.open, breaker.opens_at(9.0)) == (HoldKind.BREAKER, 39.0)


def test_without_a_limit_only_410_opens_it() -> None:
    breaker = Breaker(BreakerPolicy())
    tell(breaker, *[FAILED] * 1000)
    assert breaker.open is None
    tell(breaker, GONE)
    assert (breaker.open, breaker.opens_at(0.0)) == (HoldKind.GONE, 600.0)


def test_the_gaps_between_probes_double_to_their_bound() -> None:
    breaker = opened()
    gaps_s = []
    now_s = 0.0
    for _ in range(4):
        gaps_s.append(breaker.opens_at(now_s) - now_s)
        now_s = breaker.opens_at(now_s)
        probe(breaker, FAILED, now_s)
    assert gaps_s == [30.0, 60.0, 100.0, 100.0]


def test_a_probe_that_told_nothing_of_the_destination_does_not_double_the_gap() -> None:
    breaker = opened()
    probe(breaker, OURS, 30.0)
    assert breaker.opens_at(30.0) == 60.0
    probe(breaker, CONTENT, 60.0)
    assert breaker.opens_at(60.0) == 90.0


def test_what_was_under_way_when_it_opened_neither_counts_nor_probes() -> None:
    breaker = opened()
    tell(breaker, FAILED, FAILED, now_s=1.0)
    assert breaker.opens_at(1.0) == 30.0
    breaker.started(30.0)
    tell(breaker, FAILED, now_s=31.0)
    assert breaker.opens_at(31.0) == inf  # the probe is under way still


def test_any_success_closes_it_and_the_starts_after_that_double_every_second() -> None:
    breaker = opened()
    probe(breaker, OK, 30.0)
    assert (breaker.open, breaker.ramping, breaker.fresh) == (None, True, False)
    starts: list[float] = []
    now_s = 30.0
    while not breaker.fresh:
        starts.append(now_s)
        breaker.started(now_s)
        now_s = max(now_s, breaker.opens_at(now_s))
    assert starts[-1] - 30.0 >= RAMP_S
    in_second = [sum(n <= at_s - 30.0 < n + 1 for at_s in starts) for n in range(int(RAMP_S))]
    for n, count in enumerate(in_second):  # the rate is that of each second's beginning, and rises
        assert RAMP_PER_S * 2**n * 0.9 <= count <= RAMP_PER_S * 2 ** (n + 1)


def test_a_failure_on_the_ramp_begins_it_anew() -> None:
    breaker = opened()
    probe(breaker, OK, 30.0)
    tell(breaker, FAILED, now_s=36.0)
    breaker.started(36.0)
    assert breaker.opens_at(36.0) == pytest.approx(36.0 + 1 / RAMP_PER_S)


def test_410_takes_the_place_of_an_open_breaker_and_is_probed_rarely() -> None:
    breaker = opened()
    probe(breaker, GONE, 30.0)
    assert (breaker.open, breaker.opens_at(30.0)) == (HoldKind.GONE, 130.0)
    probe(breaker, FAILED, 130.0)
    assert (breaker.open, breaker.opens_at(130.0)) == (HoldKind.GONE, 230.0)
    probe(breaker, OK, 230.0)
    assert breaker.open is None


@pytest.mark.parametrize("kind", [HoldKind.BREAKER, HoldKind.GONE])
def test_after_a_restart_the_first_probe_comes_soon(kind: HoldKind) -> None:
    breaker = Breaker(POLICY)
    breaker.restore(kind, 5.0)
    assert (breaker.open, breaker.opens_at(5.0)) == (kind, 35.0)


# Together


def test_the_latest_gate_decides() -> None:
    gates = Gates(POLICY, 0.5, 0.0)
    assert gates.opens_at(0.0) == 0.5
    gates.ended(asked(60), 1.0, probe=False)
    assert gates.opens_at(1.0) == 61.0
    gates.ended(GONE, 1.0, probe=False)
    assert gates.opens_at(1.0) == 101.0


def test_fresh_gates_need_not_be_asked() -> None:
    gates = Gates(POLICY, None, 0.0)
    assert gates.fresh
    gates.ended(FAILED, 0.0, probe=False)
    assert not gates.fresh
    gates.ended(OK, 0.0, probe=False)
    assert gates.fresh
    assert not Gates(POLICY, 0.5, 0.0).fresh


def test_how_much_is_worth_having_in_hand() -> None:
    assert Gates(POLICY, None, 0.0).at_once(256) == 256
    assert Gates(POLICY, 0.1, 0.0).at_once(256) == 10
    assert Gates(POLICY, 60.0, 0.0).at_once(256) == 1
    gates = Gates(POLICY, None, 0.0)
    gates.ended(GONE, 0.0, probe=False)
    assert gates.at_once(256) == 1
    gates.ended(OK, 0.0, probe=False)
    assert gates.at_once(256) == 32
