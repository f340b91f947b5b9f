"""Type `matrix`: an `m.room.message` into a room, by the client-server API.

Limits, from the specification (client-server-api, "Size limits"): an event has at most 65,536
bytes as it travels, so its content has less: 32,000 here. Rate: the server's own; 429
`M_LIMIT_EXCEEDED` with `Retry-After`, in older servers `retry_after_ms` in the body. The
transaction id in the path is the delivery's: a server that has seen it sends nothing again.

Inert: `m.mentions` is there and empty, so that nobody is notified (MSC3952, v1.7), each `@` is
parted, HTML is escaped; all of it is a quotation, of which clients preview no URL, and
`com.beeper.linkpreviews` (MSC4095) says so too.
"""

from html import escape
from typing import Any, Final
from urllib.parse import quote

from dispatchd.compose.courier import judge_http
from dispatchd.compose.speaker import Reach, Speaker, answered, json_request, told_to_wait, within
from dispatchd.compose.text import body_of, colour_of, fit, link_of, mention_less, title_of
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import Judged, Outcome, Request

CONTENT_MAX_BYTES: Final = 32_000
TITLE_MAX: Final = 1000


@frozen(repr=False)
class MatrixSpeaker(Speaker):
    """Sends to `room` (`!id:server`) at `homeserver` with an access token."""

    homeserver: str
    token: str
    room: str
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the event; `key` is its transaction."""
        room, transaction = quote(self.room, safe=""), quote(key, safe="")
        return json_request(
            f"{self.homeserver.rstrip('/')}/_matrix/client/v3/rooms/{room}"
            f"/send/m.room.message/{transaction}",
            within(CONTENT_MAX_BYTES, lambda most: _content(message, most)),
            self.reach,
            [("Authorization", f"Bearer {self.token}")],
            method="PUT",
        )

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by the status; the body may say how long to wait."""
        judged = judge_http(outcome, now_ms)
        return told_to_wait(judged, answered(outcome).get("retry_after_ms"), unit_ms=1)


def _content(message: Message, most: int) -> dict[str, Any]:
    title_most = min(most, TITLE_MAX)
    plain = fit(title_of(message), title_most, mention_less)
    title = f"<strong>{fit(title_of(message), title_most, _escape)}</strong>"
    link = link_of(message)
    if link is not None:
        title = f'<a href="{escape(link)}">{title}</a>'
    body = body_of(message, most, mention_less)
    html = body_of(message, most, _escape, named=_named).replace("\n", "<br>")
    mark = f'<font color="{colour_of(message)}">●</font> '
    return {
        "msgtype": "m.text",
        "body": "\n\n".join(part for part in (plain, body, link) if part),
        "format": "org.matrix.custom.html",
        "formatted_body": f"<blockquote>{mark}{title}<br>{html}</blockquote>",
        "m.mentions": {},
        "com.beeper.linkpreviews": [],
    }


def _escape(text: str) -> str:
    return escape(mention_less(text))


def _named(name: str) -> str:
    return f"<strong>{name}</strong>"
