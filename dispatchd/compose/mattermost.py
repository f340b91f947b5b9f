"""Type `mattermost`: a message attachment through an incoming webhook.

Limits: a message has 16,383 characters (server 5.0 and later), and the attachments of older
servers 7,900 in all, as JSON ("Maximum attachments length is 7900 characters"), which is what is
kept here. There is no documented rate; 429 with `Retry-After` where a server limits requests.
Success is any 2xx; a webhook that was deleted answers 400 or 404, as does one that never was.

Inert: markdown is escaped, each `@` is parted from its name (attachments notify whom they
mention: developers.mattermost.com/integrate/reference/message-attachments), and only a message's
own text would get a preview: there is none.
"""

from typing import Any, Final

from dispatchd.compose.speaker import Reach, Speaker, json_request, within
from dispatchd.compose.text import (
    backslashed,
    colour_of,
    fields_of,
    fit,
    lines,
    link_of,
    mention_less,
    one_line,
    title_of,
)
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import Request

MESSAGE_MAX_BYTES: Final = 7_900
FIELDS_MAX: Final = 12
INLINE_MAX_CHARS: Final = 40  # a longer value has a line of its own
_backslashes: Final = backslashed("\\`*_{}[]()#+-.!|<>~:$^")


@frozen(repr=False)
class MattermostSpeaker(Speaker):
    """Posts to the webhook at `url`; `channel` is another than the webhook's own."""

    url: str
    channel: str | None
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the message."""
        channel = {} if self.channel is None else {"channel": self.channel}

        def document(most: int) -> dict[str, Any]:
            return {**channel, "attachments": [_attachment(message, most)]}

        return json_request(self.url, within(MESSAGE_MAX_BYTES, document), self.reach)


def escape(text: str) -> str:
    """Spell text so that nothing in it is markdown or a mention."""
    return mention_less(_backslashes(text))


def _attachment(message: Message, most: int) -> dict[str, Any]:
    title = fit(title_of(message), min(most, 300), escape)
    fields = []
    for field in fields_of(message, FIELDS_MAX):
        value = fit(field.value, min(most, 1000), escape)
        short = len(value) <= INLINE_MAX_CHARS
        fields.append(
            {"title": fit(field.name, min(most, 100), escape), "value": value, "short": short}
        )
    return {
        "fallback": fit(title_of(message), min(most, 300), mention_less),
        "color": colour_of(message),
        "title": title,
        "title_link": link_of(message, 1000) or "",
        "text": fit(lines(message.description), most, escape),
        "fields": fields,
        "footer": fit(one_line(message.footer), min(most, 200), mention_less),
    }
