"""What each platform documents of its messages: a request that breaks a rule is told what it broke.

A platform's server in a test answers with it, and property tests ask without one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from platform_parts import MENTION, Arrived, Markup, bounded, unescaped, utf16

KEY = re.compile(r"[A-Za-z0-9._-]+")
LINK = re.compile(r"https?://")


def discord(it: Arrived) -> list[str]:
    """Execute Webhook, Embed Limits."""
    document = it.document
    found = [] if 1 <= len(document["embeds"]) <= 10 else ["not 1 to 10 embeds"]
    if it.method != "POST" or it.query.get("wait") != "true":
        found.append("is no POST with wait")
    if set(document) - {"embeds", "allowed_mentions"}:
        found.append(f"unknown keys {sorted(document)}")
    if document.get("allowed_mentions") != {"parse": []}:
        found.append("mentions are allowed")
    total = 0
    for embed in document["embeds"]:
        wrong, length = _embed(embed)
        found += wrong
        total += length
    return found + ([f"{total} characters in all"] if total > 6000 else [])


def _embed(embed: Any) -> tuple[list[str], int]:
    found, total = [], 0
    texts = [("title", embed["title"], 1, 256), ("description", embed["description"], 0, 4096)]
    for field in embed["fields"]:
        texts += [("name", field["name"], 1, 256), ("value", field["value"], 1, 1024)]
    for what, text, least, most in texts:
        found += bounded(text, least, most, what) + unescaped(text, "*_~`|<[@", what)
        total += utf16(text)
    if len(embed["fields"]) > 25:
        found.append("over 25 fields")
    footer = embed["footer"]["text"] if "footer" in embed else ""
    found += bounded(footer, 1 if "footer" in embed else 0, 2048, "footer")
    if "url" in embed and not re.fullmatch(r"https?://[!-~]{1,2048}", embed["url"]):
        found.append("no url")
    if not 0 <= embed["color"] <= 0xFFFFFF:
        found.append("no colour")
    return found, total + utf16(footer)


def _slack_text(text: Any, most: int) -> list[str]:
    """A text object: no mention, no link but one that we made."""
    found = bounded(text["text"], 1, most, text["type"])
    if text["type"] == "plain_text":
        return found + (["emoji"] if text.get("emoji") else [])
    if text["type"] != "mrkdwn" or text.get("verbatim") is not True:
        return [*found, "not verbatim"]
    for inner in re.findall(r"<([^>]*)>?", text["text"]):
        if not re.match(r"https?://[^|]+\|", inner):
            found.append(f"<{inner}>")
    return found


def _slack_block(block: Any) -> list[str]:
    if block["type"] == "context":
        return [wrong for element in block["elements"] for wrong in _slack_text(element, 3000)]
    if block["type"] != "section":
        return [f"a block of {block['type']}"]
    if not ("text" in block or 1 <= len(block["fields"]) <= 10):
        return ["a section of nothing"]
    found = _slack_text(block["text"], 3000) if "text" in block else []
    return found + [wrong for text in block.get("fields", []) for wrong in _slack_text(text, 2000)]


_SLACK = {"attachments", "unfurl_links", "unfurl_media", "thread_ts", "channel"}


def slack(it: Arrived) -> list[str]:
    """Block Kit's limits, and what may be in a message."""
    document = it.document
    found = ["unknown keys"] if set(document) - _SLACK else []
    if document["unfurl_links"] is not False or document["unfurl_media"] is not False:
        found.append("previews")
    (attachment,) = document["attachments"]
    # A message's own text is shown above its attachments: it stands in for blocks of its own alone.
    found += bounded(attachment["fallback"], 1, 4000, "fallback")
    if "<" in attachment["fallback"]:
        found.append("markup in the fallback")
    if not re.fullmatch(r"#[0-9a-f]{6}", attachment["color"]):
        found.append("no colour")
    if not 1 <= len(attachment["blocks"]) <= 50:
        found.append("blocks")
    return found + [wrong for block in attachment["blocks"] for wrong in _slack_block(block)]


def slack_bot(it: Arrived) -> list[str]:
    """chat.postMessage."""
    found = slack(it)
    if it.path != "/chat.postMessage" or it.headers["authorization"] != "Bearer xoxb-12345678":
        found.append("not the method, or no token")
    return found if it.document.get("channel") == "#ops" else [*found, "no channel"]


def telegram(it: Arrived) -> list[str]:
    """sendMessage."""
    document, found = it.document, []
    if it.path != "/bot123456:ABC-DEF_ghi/sendMessage":
        found.append(f"no such method {it.path}")
    if document["parse_mode"] != "HTML" or document["chat_id"] != "-1001234":
        found.append("no HTML, or no chat")
    if document["link_preview_options"] != {"is_disabled": True}:
        found.append("a preview")
    markup = Markup(document["text"])
    found += bounded(markup.text, 1, 4096, "text")
    found += markup.breaches({"b": set(), "a": {"href"}})
    if len(markup.tags) > 100:
        found.append("over 100 entities")
    return found + (["a mention"] if MENTION.search(markup.text) else [])


def googlechat(it: Arrived) -> list[str]:
    """spaces.messages.create, with a card."""
    document, found = it.document, []
    if len(it.body) > 32_000:
        found.append(f"{len(it.body)} bytes")
    if it.query.get("key") != "k" or it.query.get("token") != "t0k3n-of-chat":
        found.append("no key")
    if set(document) - {"cardsV2", "fallbackText", "thread"}:
        found.append(f"unknown keys {sorted(document)}")
    if re.search(r"<users/", document["fallbackText"]):
        found.append("a mention")
    (card,) = document["cardsV2"]
    (section,) = card["card"]["sections"]
    if not 1 <= len(section["widgets"]) <= 100:
        found.append("widgets")
    for widget in section["widgets"]:
        (kind,) = widget
        if kind == "buttonList":
            (button,) = widget[kind]["buttons"]
            if not re.match(r"https?://", button["onClick"]["openLink"]["url"]):
                found.append("no link")
            continue
        text = widget[kind]["text"]
        found += bounded(text, 1, 32_000, kind)
        found += Markup(text).breaches({"b": set(), "font": {"color"}, "br": set()})
    return found


def msteams(it: Arrived) -> list[str]:
    """An Adaptive Card of version 1.4 or below, without markdown."""
    document, found = it.document, []
    if len(it.body) > 28 * 1024:
        found.append(f"{len(it.body)} bytes")
    (attachment,) = document["attachments"]
    if document["type"] != "message" or not attachment["contentType"].endswith("card.adaptive"):
        found.append("no card")
    card = attachment["content"]
    if card["type"] != "AdaptiveCard" or float(card["version"]) > 1.5 or not card["body"]:
        found.append("no card that Teams shows")
    if "entities" in card.get("msteams", {}):
        found.append("a mention")
    container, *rows = card["body"]
    if container["type"] != "Container":
        found.append("no container")
    for row in [*container["items"], *rows]:
        found += _row(row)
    actions = card.get("actions", [])
    links = [a for a in actions if a["type"] == "Action.OpenUrl" and LINK.match(a["url"])]
    return found if links == actions else [*found, "an action that is no link"]


def _row(row: Any) -> list[str]:
    if row["type"] == "TextBlock":  # a template's: it reads markdown
        return unescaped(row["text"], "*_`~[<#|", "a TextBlock")
    if row["type"] != "RichTextBlock" or not row["inlines"]:
        return [f"{row['type']}: it may read markdown"]
    good = all(run["type"] == "TextRun" and run["text"] for run in row["inlines"])
    return [] if good else ["no run of text"]


def mattermost(it: Arrived) -> list[str]:
    """An incoming webhook's attachment."""
    document, found = it.document, []
    if set(document) - {"attachments", "channel"}:
        found.append("unknown keys")
    if len(it.body) > 7900:
        found.append(f"{len(it.body)} bytes")
    (attachment,) = document["attachments"]
    texts = [attachment[key] for key in ("title", "text")]
    texts += [field[key] for field in attachment["fields"] for key in ("title", "value")]
    for text in texts:
        found += unescaped(text, "*_`[~<!#|", "attachment")
    for text in [*texts, attachment["fallback"], attachment["footer"]]:
        if MENTION.search(text):
            found.append("a mention")
    if not attachment["fallback"]:
        found.append("no fallback")
    link = attachment["title_link"]
    return found if not link or re.match(r"https?://", link) else [*found, "no link"]


def matrix(it: Arrived) -> list[str]:
    """PUT of an m.room.message."""
    document, found = it.document, []
    prefix = "/_matrix/client/v3/rooms/%21abc%3Aexample.com/send/m.room.message/"
    if it.method != "PUT" or not it.path.startswith(prefix):
        found.append(f"no such endpoint {it.path}")
    if not KEY.fullmatch(it.path.removeprefix(prefix)):
        found.append("no transaction")
    if it.headers["authorization"] != "Bearer syt_token":
        found.append("no token")
    if len(it.body) > 60_000:
        found.append(f"{len(it.body)} bytes")
    if document["m.mentions"] != {} or MENTION.search(document["body"]):
        found.append("a mention")
    if document["msgtype"] != "m.text" or not document["body"]:
        found.append("no text")
    html = document["formatted_body"]
    allowed = {"blockquote": set(), "font": {"color"}, "strong": set(), "a": {"href"}, "br": set()}
    found += Markup(html).breaches(allowed)
    if not html.startswith("<blockquote>") or html.count("</blockquote>") != 1:
        found.append("not quoted")
    return found + (["a mention"] if MENTION.search(Markup(html).text) else [])


def ntfy(it: Arrived) -> list[str]:
    """Publish as JSON."""
    document, found = it.document, []
    if set(document) - {"topic", "title", "message", "priority", "tags", "click"}:
        found.append("unknown keys")
    if it.path != "/" or document["topic"] != "team-alerts_1":
        found.append("no topic")
    if not 1 <= len(document["message"].encode()) <= 4096:
        found.append("it would become an attachment")
    if not 1 <= document["priority"] <= 5 or not document["title"]:
        found.append("no priority or title")
    click = document.get("click", "https://x/")
    return found if re.match(r"https?://", click) else [*found, "no link"]


def gotify(it: Arrived) -> list[str]:
    """POST /message."""
    document, found = it.document, []
    if it.path != "/message" or it.headers["x-gotify-key"] != "AbCdEf123456":
        found.append("no key")
    if not document["message"] or not 0 <= document["priority"] <= 10:
        found.append("no message")
    if document["extras"]["client::display"] != {"contentType": "text/plain"}:
        found.append("markdown")
    return found


def pushover(it: Arrived) -> list[str]:
    """POST /1/messages.json."""
    document, found = it.document, []
    if it.path != "/1/messages.json" or (document["token"], document["user"]) != (
        "a" * 30,
        "u" * 30,
    ):
        found.append("no token")
    if set(document) & {"html", "monospace", "attachment", "callback"}:
        found.append("more than text")
    found += bounded(document["message"], 1, 1024, "message")
    found += bounded(document["title"], 1, 250, "title")
    found += bounded(document.get("url", ""), 0, 512, "url")
    found += bounded(document.get("url_title", ""), 0, 100, "url_title")
    return found if document["priority"] in (-2, -1, 0, 1) else [*found, "priority"]


@dataclass(frozen=True)
class Platform:
    """`keys` is its destination in YAML, with `{base}` for its server's URL."""

    keys: str
    breaches: Callable[[Arrived], list[str]]
    ok: bytes = b"ok"


PLATFORMS = {
    "discord": Platform(
        "{type: discord, url: '{base}/api/webhooks/1/Sekrit-Token1', thread: '77'}", discord
    ),
    "slack": Platform("{type: slack, url: '{base}/services/T00/B00/SekritToken1'}", slack),
    "slack-bot": Platform(
        "{type: slack, token: xoxb-12345678, channel: '#ops', api_url: '{base}'}",
        slack_bot,
        b'{"ok":true,"ts":"1.2"}',
    ),
    "telegram": Platform(
        "{type: telegram, token: '123456:ABC-DEF_ghi', chat: -1001234, topic: 5,"
        " api_url: '{base}'}",
        telegram,
        b'{"ok":true,"result":{"message_id":1}}',
    ),
    "googlechat": Platform(
        "{type: googlechat, thread: x,"
        " url: '{base}/v1/spaces/A/messages?key=k&token=t0k3n-of-chat'}",
        googlechat,
    ),
    "msteams": Platform("{type: msteams, url: '{base}/workflows/w?sig=Sekrit-Token1'}", msteams),
    "mattermost": Platform("{type: mattermost, url: '{base}/hooks/sekrit1token'}", mattermost),
    "matrix": Platform(
        "{type: matrix, homeserver: '{base}', token: syt_token, room: '!abc:example.com'}",
        matrix,
        b'{"event_id":"$1"}',
    ),
    "ntfy": Platform("{type: ntfy, url: '{base}', topic: team-alerts_1}", ntfy),
    "gotify": Platform("{type: gotify, url: '{base}', token: AbCdEf123456}", gotify),
    "pushover": Platform(
        "{type: pushover, token: " + "a" * 30 + ", user: " + "u" * 30 + ", api_url: '{base}'}",
        pushover,
        b'{"status":1,"request":"r"}',
    ),
}
