"""Speakers as a config makes them, and the messages that tests have them say."""

from typing import Any

from nouns import NOW_MS
from platform_parts import arrived
from platforms import PLATFORMS

from dispatchd.compose.speaker import Speaker
from dispatchd.config import parse
from dispatchd.deliver.words import MessageCourier
from dispatchd.message import Field, Kind, Message
from dispatchd.model import Mail, Request
from dispatchd.plan.compiling import lane_spec

KEY = "01890000-0000-7000-8000-000000000001.team-chat.0"
MAIL = "{type: email, host: 127.0.0.1, from: 'Ops <ops@example.com>', to: [a@example.com]}"
APPRISE = "{type: apprise, urls: ['json://127.0.0.1:1/Sekrit-Token1']}"


def courier(destination: str, provider: str = "generic", base: str = "http://h") -> MessageCourier:
    """Return the courier of a destination, written in YAML, of one endpoint."""
    config = parse(
        "endpoints: {my-slug: {provider: " + provider + ", secret: s, destinations: [d]}}\n"
        "destinations: {d: " + destination.replace("{base}", base) + "}\n",
        environ={},
    )
    found = lane_spec(config, "d").courier
    assert isinstance(found, MessageCourier)
    return found


def speaker(destination: str) -> Speaker:
    return courier(destination).speaker


SPEAKERS = {name: speaker(platform.keys) for name, platform in PLATFORMS.items()}
MAIL_SPEAKER = speaker(MAIL)
APPRISE_SPEAKER = speaker(APPRISE)


def breaches(name: str, message: Message) -> list[str]:
    """Return what a platform has against a message as it is composed for it."""
    request = SPEAKERS[name].say(message, KEY, NOW_MS)
    assert isinstance(request, Request)
    return PLATFORMS[name].breaches(arrived(request))


def mailed(message: Message) -> Mail:
    mail = MAIL_SPEAKER.say(message, KEY, NOW_MS)
    assert isinstance(mail, Mail)
    return mail


def message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "title": "octo/repo: pull request #5 opened: Fix it",
        "description": "First line\nsecond line",
        "url": "https://github.com/octo/repo/pull/5",
        "fields": (Field("By", "octocat"), Field("Branch", "fix → main")),
        "kind": Kind.SUCCESS,
        "footer": "github · pull_request",
    }
    return Message(**(fields | changes))


HOSTILE = (
    "@everyone @here @channel @all @room @octocat <!channel> <!here> <@U123> <@&99> <#C1>"
    " <users/all> <at>all</at> [click](http://evil.example/) ![x](http://evil.example/x.png)"
    " **bold** __u__ ~~s~~ ||spoiler|| `code` ```\nblock\n``` <b>x</b> <img src=x onerror=alert(1)>"
    " <script>alert(1)</script> </blockquote></body> &lt;b&gt; &amp; <http://evil.example|here>"
    " \r\nBcc: evil@example.com\r\n\r\nbody \u202egnp.exe \x00\x1b[31m \ud800 *_~`|\\"
    " ${jndi:ldap://x} {{7*7}} :smile: #general ~town-square http://evil.example/preview"
)
