"""A drain makes way for new events: it leaves a share of the processor, and always gets on."""

from collections.abc import Callable

from rig import FakeClock

from dispatchd.deliver.courtesy import (
    FRESH_S,
    LEAST_EVERY_S,
    OWED_MAX_S,
    SAVED_MAX_S,
    SHARE,
    Courtesy,
)


class Machine:
    """One processor and its clock: `works` moves both times on, `rests` one alone."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.courtesy = Courtesy(self.clock, self.call_later)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.clock.steady_s + delay_s, callback))

    def works(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.clock.busy_s += seconds

    def rests(self, seconds: float) -> None:
        self.clock.advance(seconds)
        due = [timer for timer in self.timers if timer[0] <= self.clock.steady_s]
        self.timers = [timer for timer in self.timers if timer[0] > self.clock.steady_s]
        for _, callback in due:
            callback()


def never() -> None:
    raise AssertionError("nobody waits")


def test_with_nobody_to_make_way_for_a_drain_takes_everything() -> None:
    machine = Machine()
    for _ in range(100):
        assert machine.courtesy.allows(never)
        machine.works(0.0003)
    assert not machine.timers


def drained_s(machine: Machine, each_s: float, seconds: float) -> float:
    """Drain for so long beside an event now and then; return the processor time it took."""
    began_s, woken = machine.clock.busy_s, ["at the start"]
    end_s = machine.clock.steady_s + seconds
    while machine.clock.steady_s < end_s:
        machine.courtesy.came()
        if woken and machine.courtesy.allows(lambda: woken.append("again")):
            machine.works(each_s)
        else:
            woken.clear()
            machine.rests(LEAST_EVERY_S / 4)
    return machine.clock.busy_s - began_s


def test_beside_events_a_drain_takes_its_share() -> None:
    took_s = drained_s(Machine(), each_s=0.0002, seconds=2.0)
    assert abs(took_s / 2.0 - SHARE) < 0.05


def test_it_takes_everything_again_once_no_event_comes() -> None:
    machine = Machine()
    drained_s(machine, each_s=0.0002, seconds=0.1)
    machine.rests(FRESH_S * 1.01)
    for _ in range(100):
        assert machine.courtesy.allows(never)
        machine.works(0.0003)


def test_however_busy_the_others_are_it_starts_something_now_and_then() -> None:
    machine = Machine()
    started = 0
    for _ in range(1000):
        machine.courtesy.came()
        started += machine.courtesy.allows(lambda: None)
        machine.works(0.0005)  # of others
    assert started >= 0.5 / LEAST_EVERY_S * 0.9


def test_each_who_waits_is_called_once_and_in_turn() -> None:
    machine = Machine()
    machine.courtesy.came()
    assert machine.courtesy.allows(never)
    machine.works(0.01)
    assert machine.courtesy.allows(never)  # it is a while since the last
    called: list[str] = []
    first, second = (lambda: called.append("first")), (lambda: called.append("second"))
    for again in (first, second, first):
        assert not machine.courtesy.allows(again)
    assert len(machine.timers) == 1
    machine.rests(LEAST_EVERY_S * 1.01)
    assert called == ["first", "second"]
    machine.rests(1.0)
    assert called == ["first", "second"]


def test_a_rest_is_not_saved_up_and_a_burst_of_others_not_paid_for_ever() -> None:
    machine = Machine()
    machine.courtesy.came()
    machine.courtesy.allows(never)
    machine.rests(0.5)
    machine.courtesy.came()
    machine.courtesy.allows(never)
    assert machine.courtesy._left_s == SAVED_MAX_S
    machine.works(0.5)
    machine.courtesy.allows(never)
    assert machine.courtesy._left_s == -OWED_MAX_S
