"""Templates at each platform's own server: in normal form and in its terms, nothing breaks out."""

from typing import Any

import orjson
import pytest
from rig import StartDaemon
from speakers import HOSTILE
from test_platforms import PlatformServer, server

__all__ = ["server"]  # a fixture

BODY = orjson.dumps({"title": HOSTILE.replace("\ud800", ""), "long": "*x* @here <" * 1000})
CONFIG = """
endpoints: {{gh: {{auth: none, event_type_path: title, destinations: [{{to: team, template: t}}]}}}}
templates: {{t: {template}}}
destinations: {{team: {keys}}}
"""
NORMAL = {
    "title": "R&D <b>*{{ event_type }}* {{ body.title }}",
    "description": "{{ body.long }}\n{{ body.title }}",
    "url": "https://h/{{ body.title }}",
    "colour": "#123456",
    "footer": "{{ body.long }}",
    "fields": [{"name": "{{ body.title }}", "value": "{{ body.long }}"}] * 30,
}
OWN: dict[str, Any] = {
    "discord": {
        "embeds": [
            {
                # `allowed_mentions` is what lets nobody be notified: an @ may stand there.
                "title": "{{ body.title | replace('@', '') | truncate(80) }}",
                "description": "{{ body.title | replace('@', '') }}",
                "url": "https://h/",
                "fields": [],
                "color": 1,
            }
        ]
    },
    "telegram": {"html": "<b>{{ body.title }}</b> {{ link('https://h/', body.title) }}"},
    "mattermost": {
        "attachments": [
            dict.fromkeys(("title", "text", "fallback", "footer"), "{{ body.title }}")
            | {"fields": [], "title_link": "", "color": "#123456"}
        ]
    },
    "ntfy": {"message": "{{ body.title }}", "title": "x", "priority": 3},
    "pushover": {"message": "{{ body.title }}", "title": "x"},
    "slack": {
        "attachments": [
            {
                "color": "#123456",
                "fallback": "{{ body.title }}",
                "blocks": [
                    {
                        "type": "section",
                        "text": {
                            "type": "mrkdwn",
                            "verbatim": True,
                            "text": "*{{ body.title }}* {{ link('https://h/', body.title) }}",
                        },
                    }
                ],
            }
        ],
    },
    "googlechat": {
        "fallbackText": "{{ body.title }}",
        "cardsV2": [
            {
                "card": {
                    "sections": [
                        {"widgets": [{"textParagraph": {"text": "<b>{{ body.title }}</b>"}}]}
                    ]
                }
            }
        ],
    },
    "msteams": {
        "body": [
            {"type": "Container", "items": [{"type": "TextBlock", "text": "{{ body.title }}"}]}
        ]
    },
    "gotify": {
        "message": "{{ body.title }}",
        "title": "{{ body.title }}",
        "extras": {"client::display": {"contentType": "text/plain"}},
    },
    "matrix": {"html": "<blockquote><strong>{{ body.title }}</strong></blockquote>"},
}


async def attempted(
    start_daemon: StartDaemon, server: PlatformServer, template: dict[str, Any]
) -> dict[str, Any]:
    keys = server.platform.keys.replace("{base}", server.url)
    written = orjson.dumps(template).decode()
    daemon = await start_daemon(CONFIG.format(template=written, keys=keys))
    await daemon.accepted(BODY, slug="gh", secret=None)
    (line,) = await daemon.log.wait_for("attempt")
    return line


async def test_a_message_in_normal_form_keeps_to_every_platforms_rules(
    start_daemon: StartDaemon, server: PlatformServer
) -> None:
    line = await attempted(start_daemon, server, {"default": NORMAL})
    assert (server.breaches, line["result"]) == ([], "success")
    assert line["template"] == "t: applied"


async def test_a_types_own_terms_break_out_of_nothing(
    start_daemon: StartDaemon, server: PlatformServer
) -> None:
    kind = server.platform.keys.split(",")[0].removeprefix("{type: ")
    line = await attempted(start_daemon, server, {kind: OWN[kind]})
    assert line["template"] == "t: applied"
    assert server.breaches == []


async def test_what_is_too_long_in_its_terms_gives_way_to_own_wording(
    start_daemon: StartDaemon, server: PlatformServer
) -> None:
    kind = server.platform.keys.split(",")[0].removeprefix("{type: ")
    long = {"discord": "content", "telegram": "html", "pushover": "message"}
    if kind not in long:
        pytest.skip("no bound of one text is documented")
    line = await attempted(start_daemon, server, {kind: {long[kind]: "{{ body.long }}"}})
    assert (server.breaches, line["result"]) == ([], "success")
    assert "characters, of which" in line["template"]
