"""Type `telegram`: a bot's message to a chat, or to a topic of it.

Limits, from the Bot API's documentation (core.telegram.org/bots/api#sendmessage): a text of 1 to
4096 characters after its entities are parsed; the markup counts here too. Rate
(core.telegram.org/bots/faq): one message a second in a chat, 20 a minute in a group; 429 with
`parameters.retry_after` in seconds. Success is `ok: true` in the body.

Inert: HTML entities, no `@name` that would notify somebody, no link preview.
"""

import re
from html import escape
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
from dispatchd.compose.text import body_of, fit, link_of, mention_less, title_of, units
from dispatchd.frozen import frozen
from dispatchd.message import Kind, Message
from dispatchd.model import Delivered, Judged, Outcome, Reply, Request

API_URL: Final = "https://api.telegram.org"
TEXT_MAX: Final = 4096
TITLE_MAX: Final = 512
LINK_MAX: Final = 500  # of which each character may be an entity of five
MARKS: Final = {Kind.INFO: "🔵", Kind.SUCCESS: "🟢", Kind.WARNING: "🟡", Kind.FAILURE: "🔴"}
_OK: Final = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\b')  # its first key: the rest may be cut


@frozen(repr=False)
class TelegramSpeaker(Speaker):
    """Sends to `chat`, and with `topic` to that thread of a forum; `silent` makes no sound."""

    token: str
    chat: str
    topic: int | None
    silent: bool
    api_url: str
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the message as HTML."""
        document = {
            "chat_id": self.chat,
            "text": html_of(message),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            "disable_notification": self.silent,
        }
        if self.topic is not None:
            document["message_thread_id"] = self.topic
        url = f"{self.api_url.rstrip('/')}/bot{self.token}/sendMessage"
        return json_request(url, document, self.reach)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by `ok` in the body; `parameters` say how long to wait."""
        judged = judge_http(outcome, now_ms)
        if isinstance(judged, Delivered) and isinstance(outcome, Reply):
            if _OK.match(outcome.head):
                return judged
            judged = refused(judged)
        parameters = answered(outcome).get("parameters")
        wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
        return told_to_wait(judged, wait)


def html_of(message: Message) -> str:
    """Return a message as Telegram's HTML within its limit."""
    title = f"<b>{fit(title_of(message), TITLE_MAX, _escape)}</b>"
    if (link := link_of(message, LINK_MAX)) is not None:
        title = f'<a href="{escape(link)}">{title}</a>'
    title = f"{MARKS[message.kind]} {title}"
    body = body_of(message, TEXT_MAX - units(title) - 2, _escape, named=_named)
    return f"{title}\n\n{body}" if body else title


def _escape(text: str) -> str:
    return escape(mention_less(text), quote=False)


def _named(name: str) -> str:
    return f"<b>{name}</b>"
