"""What is decided of an event: where it goes, and what kept it from going elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

from dispatchd.frozen import frozen

TurnedAwayBy = Literal["event_types", "filter", "rule"]


@frozen
class LinkVerdict:
    """What one link said: `turned_away_by` names what refused the event, None when it goes on.

    `rule` is the first that matches; one that skips turns the event away.
    """

    destination: str
    turned_away_by: TurnedAwayBy | None
    rule: str | None = None


@frozen
class Decision:
    """Where an event goes; `filtered_by` says what kept it from going anywhere.

    `notes` are filters that failed, or that we failed to ask, and that therefore let the event
    through: too much sent can be mended, and what is not sent is lost. `rules` are those that
    chose what is sent, by destination.
    """

    destinations: Sequence[str]
    filtered_by: str | None
    links: Sequence[LinkVerdict]
    notes: Sequence[str]
    rules: Mapping[str, str] = field(default_factory=dict)
