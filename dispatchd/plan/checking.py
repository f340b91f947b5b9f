"""What a reload would do, without doing it."""

from dispatchd.plan.difference import difference, obstacles
from dispatchd.plan.outcome import Outcome
from dispatchd.plan.plan import Plan
from dispatchd.plan.rereading import read_again


async def would_reload(running: Plan) -> Outcome:
    """Read the file of the plan that runs: what a reload would change, or what keeps it from it."""
    read = await read_again(running.source)
    if not isinstance(read, Plan):
        return Outcome(problems=tuple(read))
    problems = obstacles(running, read)
    if problems:
        return Outcome(problems=tuple(problems))
    return Outcome(difference(running, read).changes, (), read.warnings)
