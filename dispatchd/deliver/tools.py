"""What every lane is given to work with."""

from collections.abc import Callable
from dataclasses import field
from typing import Protocol

from dispatchd.clock import Clock
from dispatchd.deliver.answers import Answers
from dispatchd.deliver.courtesy import Courtesy
from dispatchd.deliver.room import Room
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.facts import Tell
from dispatchd.frozen import frozen
from dispatchd.model import Carried, Outcome
from dispatchd.store.base import Schedule
from dispatchd.store.health import StoreHealth
from dispatchd.store.leases import Leases


class Owing(Schedule, Leases, Protocol):
    """A store that hands out what is owed, to lanes and to consumers."""


class Sends(Protocol):
    """Makes one exchange. Never raises."""

    async def send(self, carried: Carried) -> Outcome:
        """Send what was composed; return what came of it."""


@frozen
class LaneTools:
    """What every lane shares. `roll` gives uniform random numbers in [0, 1)."""

    store: Owing
    health: StoreHealth
    sender: Sends
    evaluator: Evaluator
    clock: Clock
    tell: Tell
    roll: Callable[[], float]
    room: Room
    courtesy: Courtesy
    answers: Answers = field(default_factory=Answers)
