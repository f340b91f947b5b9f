"""Type `discord`: an embed through a channel's webhook.

Limits, from Discord's documentation (resources/message, "Embed Limits"): title 256, description
4096, 25 fields of 256 and 1024, footer 2048, and 6000 for all of them together. Rate: 5 requests
in 2 s for a webhook is what is generally observed; the documentation leaves it to the answers
(topics/rate-limits): 429 with `retry_after` in seconds, with a fraction, in the JSON body.
A webhook that was deleted answers 404 with code 10015 (topics/opcodes-and-status-codes).

Inert: no mention is allowed to notify anyone (`allowed_mentions`), markdown is escaped, and URLs
within an embed get no preview.
"""

from dataclasses import replace
from typing import Any, Final

from dispatchd.compose.courier import judge_http
from dispatchd.compose.speaker import (
    Reach,
    Speaker,
    answered,
    json_request,
    told_to_wait,
    with_query,
)
from dispatchd.compose.text import (
    backslashed,
    fields_of,
    fit,
    lines,
    link_of,
    one_line,
    rgb_of,
    title_of,
    units,
)
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import Failed, Judged, Outcome, Request

TITLE_MAX: Final = 256
DESCRIPTION_MAX: Final = 4096
FIELDS_MAX: Final = 25
NAME_MAX: Final = 256
VALUE_MAX: Final = 1024
FOOTER_MAX: Final = 2048
TOTAL_MAX: Final = 6000
DESCRIPTION_SHARE: Final = 2000  # what the fields leave to the description
UNKNOWN_WEBHOOK: Final = 10015
NOT_FOUND: Final = 404
INLINE_MAX_CHARS: Final = 40  # a longer value has a line of its own
_escape: Final = backslashed("\\*_~`|<>[]()#-+@:")


@frozen(repr=False)
class DiscordSpeaker(Speaker):
    """Executes the webhook at `url`; `thread` is the id of a thread in its channel."""

    url: str
    thread: str | None
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose one message with one embed; `wait` has Discord answer when it is there."""
        document = {
            "embeds": [embed(message)],
            "allowed_mentions": {"parse": []},
        }
        thread = {} if self.thread is None else {"thread_id": self.thread}
        return json_request(with_query(self.url, wait="true", **thread), document, self.reach)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by the status; of a 429 the body says how long, of a 404 whether it is gone."""
        judged = judge_http(outcome, now_ms)
        if not isinstance(judged, Failed):
            return judged
        said = answered(outcome)
        if outcome.status == NOT_FOUND and said.get("code") == UNKNOWN_WEBHOOK:
            return replace(judged, gone=True)
        return told_to_wait(judged, said.get("retry_after"))


def embed(message: Message) -> dict[str, Any]:
    """Return a message as an embed within all limits."""
    title = fit(title_of(message), TITLE_MAX, _escape)
    footer = fit(one_line(message.footer), FOOTER_MAX)
    left = TOTAL_MAX - units(title) - units(footer)
    described = lines(message.description)
    reserve = DESCRIPTION_SHARE if described else 0
    fields = []
    for field in fields_of(message, FIELDS_MAX):
        name = fit(field.name, NAME_MAX, _escape)
        value = fit(field.value, min(VALUE_MAX, left - reserve - units(name)), _escape)
        if not value:
            break
        left -= units(name) + units(value)
        fields.append({"name": name, "value": value, "inline": len(value) <= INLINE_MAX_CHARS})
    found: dict[str, Any] = {
        "title": title,
        "color": rgb_of(message),
        "fields": fields,
        "description": fit(described, min(DESCRIPTION_MAX, left), _escape),
    }
    if footer:
        found["footer"] = {"text": footer}
    if (link := link_of(message)) is not None:
        found["url"] = link
    return found
