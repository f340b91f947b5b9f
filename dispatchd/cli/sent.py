"""What is said to people, on a terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dispatchd.shapes.message import MessageFields


def message_lines(message: "MessageFields") -> list[str]:
    """Return a message as it is told on a terminal."""
    lines = [f"{message['title']} ({message['kind']})"]
    lines += message["description"].splitlines()
    lines += [f"{field['name']}: {field['value']}" for field in message["fields"]]
    lines += [text for text in (message["url"], message["footer"]) if text]
    return lines
