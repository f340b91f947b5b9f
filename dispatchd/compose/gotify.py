"""Type `gotify`: a message of an application at a Gotify server.

From Gotify's documentation (gotify.net/docs/pushmsg, /docs/msgextras): `message` is required,
priorities go from 0 to 10, `client::display` says that it is plain text, `client::notification`
where a click leads. It documents no lengths and no rate: 8 KB are kept to here.

Inert: `text/plain`, so that no markdown is read; no image.
"""

from typing import Any, Final

from dispatchd.compose.speaker import Reach, Speaker, json_request
from dispatchd.compose.text import body_of, fit, link_of, title_of, utf8_bytes
from dispatchd.frozen import frozen
from dispatchd.message import Kind, Message
from dispatchd.model import Request

MESSAGE_MAX_BYTES: Final = 8000
TITLE_MAX: Final = 250
PRIORITIES: Final = {Kind.INFO: 4, Kind.SUCCESS: 4, Kind.WARNING: 6, Kind.FAILURE: 8}


@frozen(repr=False)
class GotifySpeaker(Speaker):
    """Posts to the server at `url` with an application's token."""

    url: str
    token: str
    priority: int | None
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the message."""
        title = fit(title_of(message), TITLE_MAX)
        extras: dict[str, Any] = {"client::display": {"contentType": "text/plain"}}
        if (link := link_of(message)) is not None:
            extras["client::notification"] = {"click": {"url": link}}
        priority = PRIORITIES[message.kind] if self.priority is None else self.priority
        document = {
            "title": title,
            "message": body_of(message, MESSAGE_MAX_BYTES, size=utf8_bytes) or title,
            "priority": priority,
            "extras": extras,
        }
        url = f"{self.url.rstrip('/')}/message"
        return json_request(url, document, self.reach, [("X-Gotify-Key", self.token)])
