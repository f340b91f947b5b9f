"""What alerts hear that no store keeps."""

import pytest
from alerts import SPEC, a_spec
from nouns import NOW_MS, an_attempt, an_event
from rig import FakeClock

from dispatchd.alert.watch import AlertWatch
from dispatchd.errors import StoreUnavailable
from dispatchd.facts import AttemptEnded, InternalError, LaneChanged, WebhookAnswered, telling
from dispatchd.limits import Rate
from dispatchd.model import Dead, Delivered, Delivery, DeliveryStatus, RetryAt

DELIVERY = Delivery("e", "crm", DeliveryStatus.QUEUED, 0, 0, 0, NOW_MS)


def ended(verdict) -> AttemptEnded:
    return AttemptEnded(an_event(), an_attempt(DELIVERY), verdict)


def test_only_what_is_refused_beyond_the_rate_counts_for_each_rate_and_endpoint():
    clock = FakeClock()
    slow = Rate(1 / 60, 1)
    watch = AlertWatch([SPEC, a_spec(refused=slow)], clock)
    for _ in range(12):
        watch.tell(WebhookAnswered("my-slug", 401))
    watch.tell(WebhookAnswered("other", 401))
    watch.tell(WebhookAnswered("my-slug", 404))
    assert watch.refused[SPEC.refused] == {"my-slug": 2}
    assert watch.refused[slow] == {"my-slug": 11}
    clock.advance(60.0)
    watch.tell(WebhookAnswered("my-slug", 401))
    assert watch.refused[SPEC.refused] == {"my-slug": 2}


@pytest.mark.parametrize(
    ("slug", "error", "heard"),
    [("my-slug", None, NOW_MS), ("my-slug", "duplicate", 0), ("other", None, 0)],
)
def test_an_endpoint_is_heard_by_the_events_it_kept(slug, error, heard):
    watch = AlertWatch([SPEC], FakeClock())
    watch.tell(WebhookAnswered(slug, 202 if error is None else 409, event=an_event(), error=error))
    assert watch.heard == {"my-slug": heard}


def test_an_endpoint_is_heard_after_the_clock_was_set_back():
    watch = AlertWatch([SPEC], FakeClock())
    for received_ms in (NOW_MS + 86_400_000, NOW_MS):
        watch.tell(WebhookAnswered("my-slug", 202, event=an_event(received_ms=received_ms)))
    assert watch.heard == {"my-slug": NOW_MS}


@pytest.mark.parametrize(
    ("fact", "wakes"),
    [
        (ended(Dead()), True),
        (LaneChanged("crm", "held", "", NOW_MS), True),
        (ended(Delivered()), False),
        (ended(RetryAt(NOW_MS)), False),
        (InternalError("x"), False),
    ],
)
def test_what_the_store_has_counted_wakes(fact, wakes):
    watch = AlertWatch([SPEC], FakeClock())
    watch.tell(fact)
    assert watch.wake.is_set() == wakes


def test_a_storage_fault_counts_once_storage_works_again():
    watch = AlertWatch([SPEC], FakeClock())
    watch.storage(None)
    watch.storage(StoreUnavailable("full", "disk"))
    assert (watch.faults, watch.fault) == (0, None)
    watch.storage(None)
    assert (watch.faults, str(watch.fault)) == (1, "disk")


def test_each_watcher_is_told_and_one_alone_is_itself():
    first, second = [], []
    assert telling(first.append) == first.append
    telling(first.append, second.append)(InternalError("x"))
    assert first == second == [InternalError("x")]
