"""How much of a message each platform shows, where it is documented: what is over is cut. Pure.

Sources: Discord, Embed Limits; Slack, Block Kit blocks; Telegram, Bot API sendMessage; ntfy,
Limitations; Pushover, API; Matrix, event size.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.message import Message


@frozen
class Limits:
    """In characters, and fields in number; None where nothing is documented."""

    title: int | None = None
    description: int | None = None
    fields: int | None = None
    name: int | None = None
    value: int | None = None
    whole: int | None = None


LIMITS: Final[Mapping[str, Limits]] = {
    "discord": Limits(256, 4096, 25, 256, 1024, 6000),
    "slack": Limits(3000, 3000, 10, 2000, 2000),
    "telegram": Limits(whole=4096),
    "googlechat": Limits(whole=32_000),
    "mattermost": Limits(whole=16_383),
    "ntfy": Limits(whole=4096),
    "pushover": Limits(title=250, description=1024),
    "matrix": Limits(whole=60_000),
}


def cuts(message: Message, kind: str) -> Iterator[str]:
    """Yield what of a message would be cut at a type of destination."""
    limits = LIMITS.get(kind, Limits())
    lengths: list[tuple[str, int, int | None]] = [
        ("the title", len(message.title), limits.title),
        ("the description", len(message.description), limits.description),
    ]
    for field in message.fields:
        lengths.append((f"the name of the field {field.name!r}", len(field.name), limits.name))
        lengths.append((f"the field {field.name!r}", len(field.value), limits.value))
    whole = sum(length for _, length, _ in lengths) + len(message.footer)
    for what, length, most in (*lengths, ("all of it", whole, limits.whole)):
        if most is not None and length > most:
            yield f"{what} has {length} characters, of which {kind} shows {most}"
    if limits.fields is not None and len(message.fields) > limits.fields:
        yield f"of {len(message.fields)} fields {kind} shows {limits.fields}"
