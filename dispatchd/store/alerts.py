"""What alerts ask of a store: what happened since, and what of it has been told.

What happens to a destination is counted in the transaction that makes it so, and an alert is kept
in the transaction that notes how far it told. So a crash at any instant neither forgets one nor
tells it twice.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from dispatchd.alert_kinds import AlertKind
from dispatchd.frozen import frozen
from dispatchd.model import ErrorClass, Event


@frozen
class AlertNote:
    """What has been told of one kind about one subject by one destination. Times are Unix ms.

    `subject` is a destination or a slug, empty for what concerns the whole daemon. `alerts` were
    told so far, the last at `told_ms`, as the event `event_id`. Since then `pending` more
    happened, the first at `since_ms`. `mark` is how far the counting came: a total of the
    store's, or a time. `active`: what it is about began, and has not ended yet.
    """

    to: str
    kind: AlertKind
    subject: str
    mark: int = 0
    active: bool = False
    pending: int = 0
    since_ms: int | None = None
    alerts: int = 0
    told_ms: int | None = None
    event_id: str | None = None


@frozen
class LaneTotals:
    """What ever happened to one destination: totals that only grow.

    `failed` deliveries failed for good, `failed_alerts` were alerts among those (not counted in
    `failed`), the last was that of the event `failed_event`. It was `held` so many times and
    `opened` again. `held_because` says why it is held now, None where it is not.
    """

    failed: int = 0
    failed_alerts: int = 0
    failed_event: str | None = None
    held: int = 0
    opened: int = 0
    held_because: str | None = None
    last_success_ms: int | None = None


@frozen
class Waiting:
    """What waits for one destination: how many, counted up to a bound, and since when (Unix ms)."""

    deliveries: int
    oldest_ms: int | None


@frozen
class LastFailure:
    """How the last attempt of a delivery that failed for good ended."""

    error: ErrorClass | None
    status_code: int | None
    message: str | None


class Alerts(Protocol):
    """What alerts ask: what happened, and this has been told."""

    async def alert_notes(self) -> Sequence[AlertNote]:
        """Return what has been told, by destination, kind and subject."""

    async def keep_alert_notes(
        self, notes: Collection[AlertNote], dropped: Collection[AlertNote] = ()
    ) -> None:
        """Keep notes, each in place of the one before, and forget those dropped, at once."""

    async def tell_alert(self, event: Event, note: AlertNote) -> None:
        """Keep `event`, a queued delivery to `note.to` and the note itself, in one transaction."""

    async def lane_totals(self) -> Mapping[str, LaneTotals]:
        """Return what ever happened to every destination: one small read."""

    async def waiting(self, destination: str, bound: int) -> Waiting:
        """Count what a destination is owed, up to `bound`, and say how old the oldest of it is."""

    async def last_failure(self, event_id: str, destination: str) -> LastFailure | None:
        """Return how a delivery's last attempt ended; None where there is none (any more)."""

    async def last_events(self, since_ms: int, endpoints: Collection[str]) -> Mapping[str, int]:
        """Return when each of these endpoints had its last event at or after `since_ms`.

        Looks at everything received since: ask about minutes, not days.
        """
