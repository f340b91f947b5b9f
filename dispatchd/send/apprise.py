"""One notice by Apprise, in a process of its own.

The library blocks, brings a hundred services' code with it, and bounds no time: a process keeps
its memory out of the daemon's, and can be ended. Its URLs, which hold secrets, go through a pipe.
"""

import asyncio
import time
from typing import Final

import orjson

from dispatchd.children import end_child, start_child
from dispatchd.model import ErrorClass, Failure, Notice, Outcome, Reply

HEAD_MAX_BYTES: Final = 2048


async def send(notice: Notice) -> Outcome:
    """Send a notice; the status is the process's exit code. Raises OSError where none starts."""
    started_s = time.perf_counter()
    child = await start_child("dispatchd.send.apprise_worker")
    asked = {
        "urls": notice.urls,
        "title": notice.title,
        "body": notice.body,
        "kind": notice.kind,
    }
    try:
        async with asyncio.timeout(notice.timeout_s):
            told, _ = await child.communicate(orjson.dumps(asked))
    except TimeoutError:
        message = f"no complete answer within {notice.timeout_s:g} s"
        return Failure(ErrorClass.TIMEOUT, message, _since_ms(started_s))
    finally:
        await end_child(child)
    status = child.returncode or 0
    if status < 0:
        message = f"its process was ended by signal {-status}"
        return Failure(ErrorClass.INTERNAL, message, _since_ms(started_s))
    return Reply(status, (), told[:HEAD_MAX_BYTES], _since_ms(started_s))


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 3)
