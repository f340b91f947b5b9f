"""How much of what is owed may be in memory: one bound over all lanes. Pure.

Everything a lane holds counts, waiting or in flight. Nobody may keep the others out:

- a lane that holds nothing may always take one small event, and a large one while all lanes
  together are under the hard bound, however large it is;
- beyond that a healthy lane takes what is free under the soft bound, a failing one only its
  share of half of it.

So the worst is the hard bound, plus `SMALL_BYTES` for each lane, plus one event.
"""

from collections.abc import Callable
from typing import Final

SOFT_MAX_BYTES: Final = 32 * 1024 * 1024
HARD_MAX_BYTES: Final = 2 * SOFT_MAX_BYTES
FAILING_MAX_BYTES: Final = HARD_MAX_BYTES * 3 // 4  # the rest is for those that still deliver
SMALL_BYTES: Final = 64 * 1024
EACH_BYTES: Final = 2048  # what a delivery takes beside its event's body and headers


class Room:
    """The bytes in hand, over `lanes` lanes; and who waits for some to come free."""

    def __init__(self, lanes: int) -> None:
        self.share_among(lanes)
        # Who waits, the longest waiting first, and at how many bytes used there is room for it.
        self._waiting: dict[Callable[[], None], int] = {}
        self.used_bytes = 0

    def share_among(self, lanes: int) -> None:
        """Have this many lanes from here on."""
        self._share_bytes = SOFT_MAX_BYTES // 2 // max(1, lanes)

    def allowance(self, mine_bytes: int, *, failing: bool) -> int:
        """Return how many more bytes a lane may take that holds `mine_bytes`; 0 or less is none."""
        if failing:
            free = min(self._share_bytes - mine_bytes, SOFT_MAX_BYTES - self.used_bytes)
        else:
            free = SOFT_MAX_BYTES - self.used_bytes
        return max(free, SMALL_BYTES) if mine_bytes == 0 else free

    def fits(self, size_bytes: int, mine_bytes: int, *, failing: bool) -> bool:
        """Whether a lane that holds `mine_bytes` may take one more delivery of `size_bytes`."""
        if size_bytes <= self.allowance(mine_bytes, failing=failing):
            return True
        return not mine_bytes and self.used_bytes <= _alone_bytes(size_bytes, failing=failing)

    def take(self, size_bytes: int) -> None:
        """Count what a lane took."""
        self.used_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Count what a lane let go of, and tell the longest waiting one that it is enough for."""
        self.used_bytes -= size_bytes
        for wake, bound in self._waiting.items():
            if self.used_bytes <= bound:
                del self._waiting[wake]
                wake()
                return

    def wait(
        self, wake: Callable[[], None], size_bytes: int, mine_bytes: int, *, failing: bool
    ) -> None:
        """Have `wake` called once others leave room for what did not fit. Keeps one's place.

        Never called for less: lanes that look in vain would wake each other without end. What a
        lane itself lets go of it knows.
        """
        if not mine_bytes:
            self._waiting[wake] = _alone_bytes(size_bytes, failing=failing)
        elif not failing or size_bytes <= self._share_bytes - mine_bytes:
            self._waiting[wake] = SOFT_MAX_BYTES - size_bytes


def _alone_bytes(size_bytes: int, *, failing: bool) -> int:
    """Return how many bytes may be used for a lane that holds nothing to take a large event.

    One of more than a quarter of the hard bound counts as a quarter, or it would never go.
    """
    bound = FAILING_MAX_BYTES if failing else HARD_MAX_BYTES
    return bound - min(size_bytes, HARD_MAX_BYTES // 4)
