"""The config compiled: plain data that the parts are built from, and that can be compared."""

from dispatchd.plan.plan import Plan
from dispatchd.plan.reading import PlanReader

__all__ = ["Plan", "PlanReader"]
