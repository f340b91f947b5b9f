"""Type `googlechat`: a card through a space's incoming webhook.

Limits, from Google's documentation (workspace/chat/api/reference/rest/v1/spaces.messages/create):
a message has at most 32,000 bytes, text and cards together; a section at most 100 widgets. Rate
(workspace/chat/limits): one write a second in a space; 429.

Inert: the text of a card is a little HTML, which is escaped; `<users/all>` would be read in a
message's own text, and there is none, but for the fallback, where it is parted.
"""

from html import escape
from typing import Any, Final

from dispatchd.compose.speaker import Reach, Speaker, json_request, with_query, within
from dispatchd.compose.text import (
    Spell,
    colour_of,
    fields_of,
    fit,
    lines,
    link_of,
    one_line,
    title_of,
)
from dispatchd.frozen import frozen
from dispatchd.message import ZERO_WIDTH, Message
from dispatchd.model import Request

MESSAGE_MAX_BYTES: Final = 32_000
FIELDS_MAX: Final = 50
TITLE_MAX: Final = 400


@frozen(repr=False)
class GoogleChatSpeaker(Speaker):
    """Posts to the webhook at `url`; messages with the same `thread` key stand in one thread."""

    url: str
    thread: str | None
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the message."""
        url, thread = self.url, {}
        if self.thread is not None:
            url = with_query(url, messageReplyOption="REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
            thread = {"thread": {"threadKey": self.thread}}
        body = within(MESSAGE_MAX_BYTES, lambda most: {**_card(message, most), **thread})
        return json_request(url, body, self.reach)


def _card(message: Message, most: int) -> dict[str, Any]:
    title_most = min(most, TITLE_MAX)
    title = fit(title_of(message), title_most, _Coloured(colour_of(message)))
    widgets: list[dict[str, Any]] = [_paragraph(title)]
    if described := fit(lines(message.description), most, _escape):
        widgets.append(_paragraph(described))
    widgets += [
        {
            "decoratedText": {
                "topLabel": fit(field.name, min(most, 100)),
                "text": fit(field.value, min(most, 1000), _escape),
                "wrapText": True,
            }
        }
        for field in fields_of(message, FIELDS_MAX)
    ]
    if (link := link_of(message)) is not None:
        opened = {"openLink": {"url": link}}
        widgets.append({"buttonList": {"buttons": [{"text": "Open", "onClick": opened}]}})
    if footer := fit(one_line(message.footer), min(most, 200), _escape):
        widgets.append(_paragraph(footer))
    return {
        "cardsV2": [{"cardId": "event", "card": {"sections": [{"widgets": widgets}]}}],
        "fallbackText": fit(title_of(message), title_most, _parted),
    }


def _paragraph(text: str) -> dict[str, Any]:
    return {"textParagraph": {"text": text}}


def _escape(text: str) -> str:
    return escape(text, quote=False).replace("\n", "<br>")


def _parted(text: str) -> str:
    return text.replace("<", f"<{ZERO_WIDTH}")


class _Coloured:
    """Spells a title in bold and in a colour."""

    def __init__(self, colour: str) -> None:
        self._spell: Spell = _escape
        self._colour = colour

    def __call__(self, text: str) -> str:
        return f'<b><font color="{self._colour}">{self._spell(text)}</font></b>'
