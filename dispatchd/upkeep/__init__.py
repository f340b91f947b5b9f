"""The daemon's duties: each is one file, with an `async def run()` that ends by being cancelled."""

from dispatchd.upkeep.clock_watch import ClockWatch
from dispatchd.upkeep.forgetting import Forgetting
from dispatchd.upkeep.jobs import JobRunner
from dispatchd.upkeep.probe import Probe

__all__ = ["ClockWatch", "Forgetting", "JobRunner", "Probe"]
