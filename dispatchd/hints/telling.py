"""A sender's hint as it is told: a config with everything else as comments, or fields."""

import shlex
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

from dispatchd.hints import HINTS
from dispatchd.hints.proof import proof_told, uncovered
from dispatchd.verify.provider import Provider
from dispatchd.verify.providers import ALIASES, provider_named

HOST: Final = "hooks.example.com"
CATCH: Final = "http://127.0.0.1:9000/"
COMMENT_MAX_CHARS: Final = 79


def fields(name: str) -> dict[str, Any]:
    """Return all that is told of a sender, ready for JSON. Raises KeyError for an unknown one."""
    hint, provider = HINTS[name], _provider(name)
    return {
        "provider": name,
        "title": hint.title,
        "same_as": ALIASES.get(name),
        "config": config_text(name),
        "setup": hint.setup,
        "keys": {key.name: key.where for key in hint.keys},
        "handshake": hint.handshake or None,
        "event_type": _told(provider, "event_type"),
        "delivery_id": _told(provider, "delivery_id"),
        "proof": proof_told(provider, hint.proof),
        "not_covered": uncovered(provider) or None,
        "notes": list(hint.notes),
        "variables": [variable(name, key.name) for key in hint.keys if key.name != "url"],
        "send": send_command(name) or None,
        "cannot_send": hint.cannot or None,
        "own_test": hint.own_test or None,
    }


def config_text(name: str) -> str:
    """Return a whole config that takes a sender's webhooks and passes them on to this machine."""
    lines = ["endpoints:", f"  {name}:"]
    if name != "generic":
        lines.append(f"    provider: {name}")
    for key in HINTS[name].keys:
        if key.name == "url":
            lines.append(f"    url: https://{HOST}/hooks/{name}")
        elif "." in key.name:
            lines.append("    " + key_line(key.name, f'"${{{variable(name, key.name)}}}"'))
        else:
            lines.append("    " + key_line(key.name, f"${{{variable(name, key.name)}}}"))
    lines += [
        "    destinations: [local]",
        "destinations:",
        "  local:",
        f"    url: {CATCH}  # `dispatchd catch` listens there",
    ]
    return "\n".join(lines) + "\n"


def key_line(key: str, value: str) -> str:
    """Return the line of a key with a value in YAML; `jwt.issuer` stands in a mapping."""
    first, *way = key.split(".")
    for part in reversed(way):
        value = f"{{{part}: {value}}}"
    return f"{first}: {value}"


def variable(name: str, key: str) -> str:
    """Return the environment variable that a key's value is read from."""
    return f"{name}_{key}".upper().replace("-", "_").replace(".", "_")


def send_command(name: str) -> str:
    """Return the command that sends a signed test; empty where only the sender can sign."""
    hint = HINTS[name]
    if hint.cannot:
        return ""
    words = ["dispatchd", "send", name, *(["-"] if hint.body else [])]
    for header in hint.headers:
        words += ["--header", header]
    command = shlex.join(words)
    return f"echo {shlex.quote(hint.body)} | {command}" if hint.body else command


def commented(name: str) -> Iterator[str]:
    """Yield a sender's config, with everything else that there is to say as comments in it."""
    told = fields(name)
    same = f", signed as {told['same_as']}" if told["same_as"] else ""
    yield f"# {name}: {told['title']}{same}"
    yield ""
    yield from config_text(name).splitlines()
    yield ""
    yield from about(name, name)
    yield "#"
    if told["send"]:
        yield from wrap(
            f"# A signed test, with {' and '.join(told['variables'])} set for it and for a"
            " running `dispatchd serve`:",
            COMMENT_MAX_CHARS,
            subsequent_indent="# ",
        )
        yield f"#   {told['send']}"


def about(name: str, slug: str) -> Iterator[str]:
    """Yield what there is to know of a sender whose endpoint is `slug`, as comments."""
    for label, text in _labelled(fields(name), slug):
        yield from wrap(
            text,
            COMMENT_MAX_CHARS,
            initial_indent=f"# {label + ' ':<13}",
            subsequent_indent="#" + " " * 14,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _labelled(told: dict[str, Any], slug: str) -> Iterator[tuple[str, str]]:
    yield "Set up", told["setup"]
    yield "URL", f"https://<your host>/hooks/{slug}"
    yield from told["keys"].items()
    yield "Handshake", told["handshake"] or "none"
    yield "Event type", told["event_type"] or "it names none"
    yield "Delivery id", told["delivery_id"] or "it names none: a redelivery is a new event"
    yield "Proof", told["proof"]
    if told["not_covered"]:
        yield "Not covered", told["not_covered"]
    for note in told["notes"]:
        yield "Note", note
    if told["cannot_send"]:
        yield "No test", f"`dispatchd send` cannot sign: {told['cannot_send']}."
    if told["own_test"]:
        yield "Or yourself", told["own_test"]


def _provider(name: str) -> Provider:
    provider = provider_named(name)
    if provider is None:
        raise KeyError(name)
    return provider


def _told(provider: Provider, what: str) -> str | None:
    place = provider.event_type if what == "event_type" else provider.delivery_id
    return None if place is None else place.told
