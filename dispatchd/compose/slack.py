"""Type `slack`: an incoming webhook, or `chat.postMessage` with a bot token and a channel.

Limits, from Slack's documentation (reference/block-kit/blocks): a section's text 3000, ten fields
of 2000 each, 50 blocks. A coloured bar is an attachment's, with a `fallback` for notifications
(legacy/legacy-messaging/legacy-secondary-message-attachments). Rate:
one message a second for a webhook and for a channel (apis/web-api/rate-limits): 429 with
`Retry-After`. `chat.postMessage` says no with `ok: false` in a 200. A webhook that is gone says
so by name (messaging/sending-messages-using-incoming-webhooks, "Handling errors").

Inert: `&`, `<` and `>` are entities, so that no `<!channel>` and no link is read; `verbatim` has
Slack look for no names and URLs; previews are off.
"""

import re
from dataclasses import replace
from typing import Any, Final

from dispatchd.compose.courier import judge_http
from dispatchd.compose.speaker import (
    Reach,
    Speaker,
    answered,
    json_request,
    refused,
    told_to_wait,
)
from dispatchd.compose.text import (
    colour_of,
    fields_of,
    fit,
    lines,
    link_of,
    one_line,
    title_of,
    units,
)
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import Delivered, Failed, Judged, Outcome, Reply, Request

API_URL: Final = "https://slack.com/api"
TEXT_MAX: Final = 3000
FIELDS_MAX: Final = 10
FIELD_MAX: Final = 2000
NAME_MAX: Final = 200
FALLBACK_MAX: Final = 1000
LINK_MAX: Final = 500  # of which each character may be an entity of five
_GONE: Final = frozenset({"no_service", "no_active_hooks", "no_team", "channel_is_archived"})
_OK: Final = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\b')  # its first key: the rest may be cut
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(text: str) -> str:
    """Spell text so that nothing in it is a link or a mention."""
    return text.translate(_ENTITIES)


@frozen(repr=False)
class SlackWebhookSpeaker(Speaker):
    """Posts to an incoming webhook; `thread` is the `ts` of the message to answer."""

    url: str
    thread: str | None
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the message."""
        return json_request(self.url, payload(message, self.thread), self.reach)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by the status; whether the webhook is gone, the body says in a word."""
        judged = judge_http(outcome, now_ms)
        if isinstance(judged, Failed) and isinstance(outcome, Reply):
            word = outcome.head.decode("utf-8", "replace").strip()
            return replace(judged, gone=judged.gone or word in _GONE)
        return judged


@frozen(repr=False)
class SlackBotSpeaker(Speaker):
    """Posts to `channel` with a bot's token, by the Web API at `api_url`."""

    token: str
    channel: str
    thread: str | None
    api_url: str
    reach: Reach

    def say(self, message: Message, key: str, now_ms: int) -> Request:
        """Compose the message."""
        document = {"channel": self.channel, **payload(message, self.thread)}
        url = f"{self.api_url.rstrip('/')}/chat.postMessage"
        return json_request(url, document, self.reach, [("Authorization", f"Bearer {self.token}")])

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by `ok` in the body: Slack refuses with a 200 too."""
        judged = judge_http(outcome, now_ms)
        if not isinstance(judged, Delivered) or not isinstance(outcome, Reply):
            return judged
        if _OK.match(outcome.head):
            return judged
        failed = refused(judged)
        if answered(outcome).get("error") in ("ratelimited", "rate_limited"):
            return told_to_wait(failed, 1)  # without `Retry-After`: the documented rate
        return failed


def payload(message: Message, thread: str | None) -> dict[str, Any]:
    """Return a message as blocks with a coloured bar, and as a fallback for notifications.

    A message's own `text` would be shown above the bar: the title would stand there twice.
    """
    title = title_of(message)
    link = link_of(message, LINK_MAX)
    blocks: list[dict[str, Any]] = [_section(_mrkdwn(fit(title, TEXT_MAX, _Headed(link))))]
    described = fit(lines(message.description), TEXT_MAX)
    if described:
        blocks.append(_section({"type": "plain_text", "text": described, "emoji": False}))
    facts = []
    for field in fields_of(message, FIELDS_MAX):
        name = f"*{fit(field.name, NAME_MAX, _bold)}*\n"
        facts.append(_mrkdwn(name + fit(field.value, FIELD_MAX - units(name), escape)))
    if facts:
        blocks.append({"type": "section", "fields": facts})
    footer = fit(one_line(message.footer), TEXT_MAX)
    if footer:
        plain = {"type": "plain_text", "text": footer, "emoji": False}
        blocks.append({"type": "context", "elements": [plain]})
    barred = {
        "color": colour_of(message),
        "fallback": fit(title, FALLBACK_MAX, escape),
        "blocks": blocks,
    }
    shown = {
        "attachments": [barred],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    return shown if thread is None else {**shown, "thread_ts": thread}


def _bold(text: str) -> str:
    """Spell what stands between two stars: none of its own would end it."""
    return escape(text.replace("*", "∗"))  # noqa: RUF001 - it looks like one


class _Headed:
    """Spells a title in bold, and as a link where there is one."""

    def __init__(self, link: str | None) -> None:
        self._link = None if link is None else escape(link)

    def __call__(self, text: str) -> str:
        bold = f"*{_bold(text)}*"
        return bold if self._link is None else f"<{self._link}|{bold}>"


def _section(text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "text": text}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}
