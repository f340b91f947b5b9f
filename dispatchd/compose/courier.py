"""What every type of destination has in common: the Courier protocol, and HTTP's own verdicts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dispatchd.compose.retry_after import retry_after_ms
from dispatchd.model import (
    Carried,
    Delivered,
    Delivery,
    ErrorClass,
    Event,
    Failed,
    Failure,
    Judged,
    Outcome,
    Whose,
)

if TYPE_CHECKING:
    from dispatchd.message import Said


class Courier(Protocol):
    """Carries events to one destination: composes the request, judges what came of it. Pure."""

    def compose(
        self, event: Event, delivery: Delivery, content: bytes | None, now_ms: int
    ) -> Carried:
        """Build what is sent in the attempt that began at `now_ms` (Unix ms).

        `content` is a transform's result, if there is one.
        """

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Say what an exchange that ended at `now_ms` (Unix ms) means."""


@runtime_checkable
class Speaks(Courier, Protocol):
    """Carries what is said to people. `compose` has wording of its own; a template's comes here."""

    def compose_said(self, event: Event, delivery: Delivery, said: "Said", now_ms: int) -> Carried:
        """Build what is sent in the attempt that began at `now_ms` (Unix ms)."""


@runtime_checkable
class Fills(Courier, Protocol):
    """Carries what has blanks for values of the event: templates, which an evaluator renders."""

    def blanks(self) -> Mapping[str, Any] | None:
        """Return the templates, as a tree; None where there is none."""

    def filled_problem(self, filled: Any) -> str | None:
        """Say why what the templates made cannot be handed over; None where it can."""

    def compose_filled(
        self, event: Event, delivery: Delivery, content: bytes | None, filled: Any
    ) -> Carried:
        """Build what is sent, with what the templates made."""


def judge_http(outcome: Outcome, now_ms: int) -> Judged:
    """Judge by the status alone: any 2xx is a success, nothing else is (RFC 9110 section 15)."""
    if isinstance(outcome, Failure):
        ours = outcome.error is ErrorClass.INTERNAL
        return Failed(outcome.error, Whose.OURS if ours else Whose.THEIRS)
    status = outcome.status
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110
        return Delivered()
    return Failed(
        ErrorClass.REDIRECT if 300 <= status < 400 else ErrorClass.HTTP,  # noqa: PLR2004 - likewise
        retry_after_ms=retry_after_ms(outcome.retry_after, now_ms),
        gone=status == 410,  # noqa: PLR2004 - Gone
        throttled=status in (429, 503),  # Too Many Requests, Service Unavailable
    )
