"""What people are told of an event."""

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from dispatchd.message import Message


class PairFields(TypedDict):
    """One of the facts that a message names."""

    name: str
    value: str


class MessageFields(TypedDict):
    """A message in normal form, before a platform's own is made of it."""

    title: str
    description: str
    url: str | None
    fields: list[PairFields]
    kind: str
    footer: str


def message_fields(message: "Message") -> MessageFields:
    """Return a message."""
    return {
        "title": message.title,
        "description": message.description,
        "url": message.url,
        "fields": [{"name": field.name, "value": field.value} for field in message.fields],
        "kind": str(message.kind),
        "footer": message.footer,
    }
