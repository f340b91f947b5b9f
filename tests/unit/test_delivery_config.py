"""How a destination is delivered to: what may be written, what it means, and what is refused."""

import pytest
from configs import destination

from dispatchd.config import ConfigProblems, WebhookConfig, parse
from dispatchd.gates import BreakerPolicy
from dispatchd.plan.compiling import compile_plan
from dispatchd.retry import PRESETS, RetryPolicy


def read(keys: str = "timeout: 1s") -> WebhookConfig:
    return parse(destination(keys), environ={}).destinations["d"]


@pytest.mark.parametrize(
    ("keys", "policy"),
    [
        ("timeout: 1s", PRESETS["quick"]),
        ("retry: quick", PRESETS["quick"]),
        ("retry: standard", PRESETS["standard"]),
        ("retry:", PRESETS["quick"]),
        (
            "retry: {preset: standard, max_attempts: 3}",
            RetryPolicy(3, PRESETS["standard"].backoff_ms, 0.2),
        ),
        ("retry: {backoff: [1s], jitter: 0}", RetryPolicy(7, (1000,), 0.0)),
        (
            "retry: {give_up_on: [404, 410]}",
            RetryPolicy(7, PRESETS["quick"].backoff_ms, 0.2, frozenset({404, 410})),
        ),
    ],
)
def test_a_retry_policy_is_a_presets_with_changes(keys: str, policy: RetryPolicy) -> None:
    assert read(keys).retry.policy() == policy


def test_a_breaker_is_off_unless_written() -> None:
    assert read().breaker_policy() == BreakerPolicy(None, 30.0, 600.0)
    assert read("breaker: {}").breaker_policy() == BreakerPolicy(10, 30.0, 600.0)
    written = "breaker: {open_after: 2, probe_every: 1s, max_probe_every: 1m}"
    assert read(written).breaker_policy() == BreakerPolicy(2, 1.0, 60.0)


def test_a_lane_knows_its_gap_and_its_order() -> None:
    (plain,) = compile_plan(parse(destination("timeout: 1s"), environ={})).lanes.values()
    assert (plain.gap_s, plain.ordered, plain.max_in_flight) == (None, False, 16)
    keys = "rate_limit: 30/m\n    ordered: true\n    on_failed: hold"
    (ordered,) = compile_plan(parse(destination(keys), environ={})).lanes.values()
    assert (ordered.gap_s, ordered.ordered, ordered.max_in_flight) == (2.0, True, 1)
    assert ordered.hold_on_failed


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            "retry: fast",
            "4: destinations.d.retry: must be a preset or a section; presets are quick",
        ),
        ("retry: 7", "4: destinations.d.retry: must be"),
        ("retry: {give_up_on: [200]}", "4: destinations.d.retry.give_up_on[0]: must be"),
        ("retry: {max_attempts: }", "4: destinations.d.retry.max_attempts: has no value"),
        ("breaker:", "4: destinations.d.breaker: has no value"),
        ("breaker: {open_after: 0}", "4: destinations.d.breaker.open_after: must be"),
        ("breaker: {probe_every: 10ms}", "4: destinations.d.breaker: `probe_every` must be at"),
        ("breaker: {probe_every: 1h}", "4: destinations.d.breaker: `max_probe_every` must not"),
        ("rate_limit: 10", "4: destinations.d.rate_limit: is not a rate; write 10/s"),
        ("rate_limit: 0/s", "4: destinations.d.rate_limit: is not a rate"),
        ("rate_limit: {rate: 1/s}", "4: destinations.d.rate_limit: is not a rate"),
        ("on_failed: hold", "2: destinations.d: `on_failed: hold` holds what is behind it"),
        (
            "ordered: true\n    max_in_flight: 4",
            "2: destinations.d: `ordered` sends one at a time: remove `max_in_flight`",
        ),
    ],
)
def test_what_is_refused(keys: str, problem: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        parse(destination(keys), environ={})
    shown = [str(one).partition(":")[2] for one in caught.value.problems]
    assert shown[0].startswith(problem), shown


def test_a_breaker_that_one_event_may_open_in_an_ordered_lane_is_warned_of() -> None:
    def warned(keys: str) -> bool:
        config = parse(destination(keys), environ={})
        return any("open_after" in sentence for sentence in config.warnings())

    assert warned("ordered: true\n    breaker: {open_after: 7}")
    assert not warned("ordered: true\n    breaker: {open_after: 8}")
    assert not warned("breaker: {open_after: 7}")
