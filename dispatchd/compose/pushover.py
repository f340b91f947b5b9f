"""Type `pushover`: a notification for a user or a group.

Limits, from Pushover's documentation (pushover.net/api#limits): message 1024 characters, title
250, URL 512, its title 100; at most two connections at once. Success is `status: 1`. "Being
friendly to our API": after a 4xx the same must not be sent again; 429 is the month's quota, which
begins anew at `X-Limit-App-Reset` (Unix seconds).

So a token or user that is refused means that it wants nothing from us any more (the lane is held,
and nothing lost); any other 4xx is about the message, and ends it.

Inert: without `html` it is plain text.
"""

from typing import Final

from dispatchd.compose.courier import judge_http
from dispatchd.compose.speaker import (
    Reach,
    Speaker,
    answered,
    json_request,
    refused,
    told_to_wait,
)
from dispatchd.compose.text import body_of, fit, link_of, title_of
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import Delivered, Judged, Outcome, Reply, Request, Whose

API_URL: Final = "https://api.pushover.net"
MESSAGE_MAX: Final = 1024
TITLE_MAX: Final = 250
URL_MAX: Final = 512
CLIENT_ERRORS: Final = range(400, 500)
TOO_MANY: Final = 429
_KEYS: Final = ("token", "user")


@frozen(repr=False)
class PushoverSpeaker(Speaker):
    """Sends to `user`, a user's or a group's key, with an application's token."""

    token: str
    user: str
    device: str | None
    priority: int
    api_url: str
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the notification."""
        title = fit(title_of(message), TITLE_MAX)
        document = {
            "token": self.token,
            "user": self.user,
            "title": title,
            "message": body_of(message, MESSAGE_MAX, value_most=200) or title,
            "priority": self.priority,
        }
        if self.device is not None:
            document["device"] = self.device
        if (link := link_of(message, URL_MAX)) is not None:
            document |= {"url": link, "url_title": "Open"}
        url = f"{self.api_url.rstrip('/')}/1/messages.json"
        return json_request(url, document, self.reach)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by `status` in the body, and a 4xx as the documentation asks."""
        judged = judge_http(outcome, now_ms)
        if not isinstance(outcome, Reply):
            return judged
        said = answered(outcome)
        if isinstance(judged, Delivered):
            return judged if said.get("status") == 1 else refused(judged)
        if outcome.status == TOO_MANY:
            return told_to_wait(judged, _until_reset_ms(outcome, now_ms), unit_ms=1)
        if outcome.status in CLIENT_ERRORS and said.get("status") == 0:
            if any(said.get(name) == "invalid" for name in _KEYS):
                return refused(judged, gone=True)
            return refused(judged, whose=Whose.CONTENT)
        return judged


def _until_reset_ms(reply: Reply, now_ms: int) -> int:
    for name, value in reply.headers:
        if name.lower() == "x-limit-app-reset" and value.isascii() and value.isdigit():
            return int(value[:12]) * 1000 - now_ms
    return 0
