"""What is handed to consumers, and how much of it may be in memory, over all queues. Pure.

An answer counts from before the store is asked until its last byte is written, so that consumers
that do not read keep no more than this. It counts what its bodies take at first, then what it
takes as JSON. Whatever its size one more is let in where a quarter of the bound is free, or it
would never go: the worst is the bound, and one of the largest events.
"""

from collections.abc import Callable
from typing import Final

from dispatchd.deliver.content import Content
from dispatchd.frozen import frozen
from dispatchd.model import Delivery, Event

ANSWERS_MAX_BYTES: Final = 32 * 1024 * 1024
# Of one answer: what is read, evaluated and spelled as JSON in one go. A larger event goes alone.
ANSWER_MAX_BYTES: Final = 1024 * 1024


@frozen
class Leased:
    """A delivery that is handed to a consumer, until `until_ms` (Unix ms)."""

    lease_id: str
    until_ms: int
    delivery: Delivery
    event: Event
    content: Content


class Answers:
    """The bytes of all answers under way, and who waits for some to come free."""

    def __init__(self) -> None:
        self._waiting: dict[Callable[[], None], int] = {}
        self.used_bytes = 0

    def fits(self, size_bytes: int) -> bool:
        """Whether there is room for one more answer of `size_bytes`."""
        return self.used_bytes + min(size_bytes, ANSWERS_MAX_BYTES // 4) <= ANSWERS_MAX_BYTES

    def wait(self, wake: Callable[[], None], size_bytes: int) -> None:
        """Have `wake` called once there is room for so many."""
        self._waiting[wake] = size_bytes

    def share(self) -> "Share":
        """Return the share of an answer to be: nothing, so far."""
        return Share(self)

    def count(self, more_bytes: int) -> None:
        """Count what a share has become; fewer may be enough for who waits."""
        self.used_bytes += more_bytes
        if more_bytes < 0:
            for wake in [one for one, size_bytes in self._waiting.items() if self.fits(size_bytes)]:
                del self._waiting[wake]
                wake()


class Share:
    """What one answer takes."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._size_bytes = 0

    def becomes(self, size_bytes: int) -> None:
        """Take so many, in all."""
        more_bytes, self._size_bytes = size_bytes - self._size_bytes, size_bytes
        self._answers.count(more_bytes)

    def give_back(self) -> None:
        """Take nothing more; said twice, it is the same."""
        self.becomes(0)
