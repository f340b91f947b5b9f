"""The daemon itself: taking up the config anew."""

import asyncio
from typing import Final

from dispatchd.admin.api.operation import Asked, Operation
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import Problem
from dispatchd.shapes.reload import ReloadFields


async def reload_config(parts: AdminParts, _: Asked) -> ReloadFields:
    """Read the config anew and apply it whole, or say why nothing has changed."""
    if parts.readiness() == "stopping":
        raise _stopping()
    try:
        told = await parts.reload()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _stopping() from None  # the reload was, not who asked for it
    if not told["ok"]:
        errors = [{"name": "config", "message": problem} for problem in told["problems"]]
        raise Problem(409, "reload_refused", "nothing has changed", errors=errors)  # type: ignore[arg-type]
    return told


def _stopping() -> Problem:
    return Problem(503, "stopping", "the daemon is stopping")


OPERATIONS: Final = (
    Operation(
        "POST",
        "/reload",
        reload_config,
        "Read the config anew and apply it whole; 409 with every problem, and nothing changed.",
        ReloadFields,
        errors=(409,),
    ),
)
