"""May this lane start now? Each gate is pure: time is handed in, nothing is awaited."""

from dispatchd.gates.gate import Gate
from dispatchd.gates.pace import Pace

__all__ = ["Gate", "Pace"]
