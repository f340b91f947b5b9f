"""Type `msteams`: an Adaptive Card through the webhook of a Teams workflow.

Limits, from Microsoft's documentation: about 28 KB for a message with all that is in it
(connectors/teams, "Message size limit"), and four requests a second
(microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook). The card is of
version 1.4, as far as all of Teams' clients go. A workflow answers 202 when it has begun.

Inert: everything stands in `TextRun`, which knows no markdown (adaptivecards.io/explorer/TextRun);
a mention needs an entity of the card's, and there is none; a card has no previews.
"""

from typing import Any, Final

from dispatchd.compose.speaker import Reach, Speaker, json_request, within
from dispatchd.compose.text import fields_of, fit, lines, link_of, one_line, title_of
from dispatchd.frozen import frozen
from dispatchd.message import Kind, Message
from dispatchd.model import Request

MESSAGE_MAX_BYTES: Final = 28_000
FIELDS_MAX: Final = 25
SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
STYLES: Final = {
    Kind.INFO: "accent",
    Kind.SUCCESS: "good",
    Kind.WARNING: "warning",
    Kind.FAILURE: "attention",
}


@frozen(repr=False)
class MsTeamsSpeaker(Speaker):
    """Posts to the workflow's webhook at `url`."""

    url: str
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the card."""
        return json_request(
            self.url, within(MESSAGE_MAX_BYTES, lambda most: _message(message, most)), self.reach
        )


def _message(message: Message, most: int) -> dict[str, Any]:
    title = fit(title_of(message), min(most, 500))
    head = _text(_run(title, weight="Bolder", size="Medium"))
    rows = []
    if described := fit(lines(message.description), most):
        rows += [_text(_run(line)) for line in described.split("\n") if line.strip()]
    rows += [
        _text(
            _run(fit(field.name, min(most, 100)) + ": ", weight="Bolder"),
            _run(fit(field.value, min(most, 1000))),
        )
        for field in fields_of(message, FIELDS_MAX)
    ]
    if footer := fit(one_line(message.footer), min(most, 200)):
        rows.append(_text(_run(footer, size="Small", isSubtle=True)))
    card: dict[str, Any] = {
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": title,
        "body": [
            {"type": "Container", "style": STYLES[message.kind], "bleed": True, "items": [head]},
            *rows[:100],
        ],
    }
    if (link := link_of(message)) is not None:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": link}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


def _text(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **looks: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **looks}
