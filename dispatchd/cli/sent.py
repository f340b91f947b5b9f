"""Which headers a destination would be sent: names alone, for values may be secret."""

from typing import TYPE_CHECKING, Any

from dispatchd.model import Delivery, DeliveryStatus

if TYPE_CHECKING:
    from dispatchd.config import Config
    from dispatchd.model import Event


def add_header_names(config: "Config", event: "Event", links: list[dict[str, Any]]) -> None:
    """Give each link that an event goes over the names of its request's `headers`, in order."""
    from dispatchd.plan.compiling import lane_spec  # noqa: PLC0415 - not for --help

    for link in links:
        if not link["goes"] or link["body"] is None or link["said"] is not None:
            continue
        name = link["destination"]
        delivery = Delivery(event.id, name, DeliveryStatus.QUEUED, 0, 0, 0, event.received_ms)
        content = link["body"] if link["transform"] == "applied" else None
        request = lane_spec(config, name).courier.compose(
            event, delivery, content, event.received_ms
        )
        link["headers"] = list(dict.fromkeys(request.headers))
