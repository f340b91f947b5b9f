"""Type `ntfy`: a notification for a topic, at ntfy.sh or a server of one's own.

Limits, from ntfy's documentation (docs.ntfy.sh/publish, "Limitations"): a message of 4096 bytes,
beyond which it becomes an attachment; priorities 1 to 5. Rate, of ntfy.sh: 60 requests at once,
one more every 5 s; 429.

Inert: it is published as JSON, so that nothing becomes a header; markdown is off, and nothing is
an action, an attachment or an icon.
"""

from typing import Final

from dispatchd.compose.speaker import Reach, Speaker, json_request
from dispatchd.compose.text import body_of, fit, link_of, title_of, utf8_bytes
from dispatchd.frozen import frozen
from dispatchd.message import Kind, Message
from dispatchd.model import Request

URL: Final = "https://ntfy.sh"
MESSAGE_MAX_BYTES: Final = 4096
TITLE_MAX_BYTES: Final = 250
TAGS: Final = {
    Kind.INFO: "information_source",
    Kind.SUCCESS: "white_check_mark",
    Kind.WARNING: "warning",
    Kind.FAILURE: "rotating_light",
}
PRIORITIES: Final = {Kind.FAILURE: 4}
NORMAL: Final = 3


@frozen(repr=False)
class NtfySpeaker(Speaker):
    """Publishes to `topic` at the server `url`; `priority` is for every message, if given."""

    url: str
    topic: str
    token: str | None
    priority: int | None
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the notification."""
        title = fit(title_of(message), TITLE_MAX_BYTES, size=utf8_bytes)
        document = {
            "topic": self.topic,
            "title": title,
            "message": body_of(message, MESSAGE_MAX_BYTES, size=utf8_bytes) or title,
            "priority": self.priority or PRIORITIES.get(message.kind, NORMAL),
            "tags": [TAGS[message.kind]],
        }
        if (link := link_of(message)) is not None:
            document["click"] = link
        headers = [] if self.token is None else [("Authorization", f"Bearer {self.token}")]
        return json_request(f"{self.url.rstrip('/')}/", document, self.reach, headers)
