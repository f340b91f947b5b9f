"""What of the facts is told live: a watcher that puts a small item aside, while anyone follows."""

import asyncio
from collections import deque
from typing import Final

from dispatchd.facts import AttemptEnded, Fact, WebhookAnswered
from dispatchd.frozen import frozen
from dispatchd.model import Attempt, Verdict

ASIDE_MAX: Final = 4096  # attempts until they are taken, 100 ms later unless the store is slow


@frozen
class Ended:
    """An attempt that ended, without the event's body."""

    attempt: Attempt
    endpoint: str
    event_type: str | None
    verdict: Verdict


class StreamWatch:
    """Hears facts. While nobody follows that is one comparison.

    `wake` is set where there is something to tell. Events themselves come from the store.
    """

    def __init__(self) -> None:
        self.followed = False
        self.wake = asyncio.Event()
        self._ended: deque[Ended] = deque()
        self._missed = False

    def watch(self, fact: Fact) -> None:
        """Hear a fact."""
        if not self.followed:
            return
        if isinstance(fact, AttemptEnded):
            event = fact.event
            if len(self._ended) < ASIDE_MAX:
                ended = Ended(fact.attempt, event.endpoint, event.event_type, fact.verdict)
                self._ended.append(ended)
            else:
                self._missed = True
        elif not isinstance(fact, WebhookAnswered) or fact.event is None:
            return
        self.wake.set()

    def take(self) -> tuple[list[Ended], bool]:
        """Return the attempts put aside, and whether there were more than could be."""
        taken, missed = list(self._ended), self._missed
        self._ended.clear()
        self._missed = False
        return taken, missed
