"""What a replay is asked for by the filters of the list of events, and back. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from dispatchd.admin.api.operation import choice, moment, query_values, text
from dispatchd.frozen import frozen
from dispatchd.model import DeliveryStatus, EventStatus
from dispatchd.shapes.spelling import iso

if TYPE_CHECKING:
    from dispatchd.admin.problems import FlawFields
    from dispatchd.shapes.job import QueryFields

FAILED: Final = DeliveryStatus.FAILED.value
ANY: Final = "any"
STATUSES: Final = {  # the stored ones: what is held is queued or retrying, and waits by itself
    FAILED: "failed for good",
    DeliveryStatus.SUCCESS.value: "delivered",
    DeliveryStatus.RETRYING.value: "retrying",
    DeliveryStatus.QUEUED.value: "queued",
    ANY: "any",
}
IDS_MAX: Final = 100  # events that a replay may be given one by one
_GLOB: Final = frozenset("*?")
_PARAMS: Final = (
    text("search", "In the type or the body."),
    text("event_type", "Exactly."),
    text("endpoint", "Of this endpoint."),
    text("destination", "Owed to this destination.", most_chars=128),
    choice("delivery", "As the delivery stands.", list(STATUSES)),
    moment("since", "Received since:"),
    moment("until", "Received before:"),
)
# Of the list's own, and what says how the page is asked for.
_OTHERS: Final = frozenset({"before", "limit", "status", "counted"})


@frozen
class Choice:
    """Which deliveries are chosen: times are Unix ms, None where nothing was said."""

    search: str | None
    event_type: str | None
    endpoint: str | None
    destination: str | None
    delivery: str
    since_ms: int | None
    until_ms: int

    @property
    def by_list(self) -> bool:
        """Whether a replay must be given the events: it neither searches nor knows this type."""
        return self.search is not None or bool(_GLOB.intersection(self.event_type or ""))

    @property
    def status(self) -> DeliveryStatus | None:
        """The status that is chosen; None for any."""
        return None if self.delivery == ANY else DeliveryStatus(self.delivery)

    def body(self, event_ids: list[str] | None) -> dict[str, Any]:
        """Return what the API is asked; with `event_ids` of the events that were found."""
        said: dict[str, Any] = {
            "destination": self.destination,
            "statuses": [s for s in STATUSES if s != ANY]
            if self.delivery == ANY
            else [self.delivery],
        }
        if event_ids is None:
            said |= {
                "endpoint": self.endpoint,
                "event_type": self.event_type,
                "since": None if self.since_ms is None else iso(self.since_ms),
                "until": iso(self.until_ms),
            }
        else:
            said["event_ids"] = event_ids
        return {name: value for name, value in said.items() if value is not None}


def read_choice(asked: Mapping[str, str], now_ms: int, errors: "list[FlawFields]") -> Choice | None:
    """Read the filters in a URL; None where something is wrong with them, which is in `errors`."""
    given = query_values(
        _PARAMS, [(n, t) for n, t in asked.items() if n not in _OTHERS], now_ms, errors
    )
    if asked.get("status") == EventStatus.FILTERED.value:
        message = "is filtered: such events are owed to nobody, so there is nothing to replay"
        errors.append({"name": "status", "message": message})
    if errors:
        return None
    return Choice(
        given.get("search"),
        given.get("event_type"),
        given.get("endpoint"),
        given.get("destination"),
        given.get("delivery", FAILED),
        given.get("since"),
        given.get("until", now_ms),
    )


def can_be_asked(asked: Mapping[str, str]) -> bool:
    """Whether there may be something to replay of what the list of events shows."""
    return asked.get("delivery", FAILED) in STATUSES and asked.get("status") != "filtered"


def again(query: "QueryFields") -> str | None:
    """Return the URL that asks for the same once more; None where filters cannot say it."""
    if query["event_ids"] or query["filter"] or _GLOB.intersection(query["event_type"] or ""):
        return None
    statuses = set(query["statuses"])
    if len(statuses) == 1:
        (delivery,) = statuses
    elif statuses in (set(), set(STATUSES) - {ANY}):
        delivery = ANY
    else:
        return None
    given = {name: query[name] for name in ("endpoint", "destination", "event_type", "since")}
    return new_url({**{n: v for n, v in given.items() if v is not None}, "delivery": delivery})


def new_url(asked: Mapping[str, str]) -> str:
    """Return the URL of the page that counts what such a replay would replay."""
    kept = {name: text for name, text in asked.items() if name not in _OTHERS}
    return f"/jobs/new?{urlencode(kept)}" if kept else "/jobs/new"
