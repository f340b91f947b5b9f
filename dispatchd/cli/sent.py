"""What a destination would be sent: header names (values may be secret), or what is said."""

from typing import TYPE_CHECKING, Any

from dispatchd.model import Delivery, DeliveryStatus, Request

if TYPE_CHECKING:
    from dispatchd.config import Config
    from dispatchd.message import Message
    from dispatchd.model import Event


def add_sent(config: "Config", event: "Event", links: list[dict[str, Any]]) -> None:
    """Give each link that an event goes over what would be sent there.

    `headers` are the names of its request's, in order, for a webhook; for a destination that
    people read `message` is what is said, in place of the `body`.
    """
    from dispatchd.deliver.words import MessageCourier  # noqa: PLC0415 - not for --help
    from dispatchd.plan.compiling import lane_spec  # noqa: PLC0415 - likewise

    for link in links:
        if not link["goes"] or link["body"] is None or link["said"] is not None:
            continue
        name = link["destination"]
        content = link["body"] if link["transform"] == "applied" else None
        courier = lane_spec(config, name).courier
        if isinstance(courier, MessageCourier):
            link["message"] = message_fields(courier.message(event, content))
            link["body"] = None
            continue
        delivery = Delivery(event.id, name, DeliveryStatus.QUEUED, 0, 0, 0, event.received_ms)
        composed = courier.compose(event, delivery, content, event.received_ms)
        if isinstance(composed, Request):
            link["headers"] = list(dict.fromkeys(composed.headers))


def message_fields(message: "Message") -> dict[str, Any]:
    """Return a message as it is told in JSON."""
    return {
        "title": message.title,
        "description": message.description,
        "url": message.url,
        "fields": [{"name": field.name, "value": field.value} for field in message.fields],
        "kind": str(message.kind),
        "footer": message.footer,
    }


def message_lines(message: dict[str, Any]) -> list[str]:
    """Return a message as it is told on a terminal."""
    lines = [f"{message['title']} ({message['kind']})"]
    lines += message["description"].splitlines()
    lines += [f"{field['name']}: {field['value']}" for field in message["fields"]]
    lines += [text for text in (message["url"], message["footer"]) if text]
    return lines
