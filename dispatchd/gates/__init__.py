"""May this lane start now? Each gate is pure: time is handed in, nothing is awaited."""

from dispatchd.gates.breaker import Breaker, BreakerPolicy
from dispatchd.gates.cooldown import Cooldown
from dispatchd.gates.gate import Gate
from dispatchd.gates.gates import Gates
from dispatchd.gates.pace import Pace
from dispatchd.gates.spacing import Spacing

__all__ = ["Breaker", "BreakerPolicy", "Cooldown", "Gate", "Gates", "Pace", "Spacing"]
