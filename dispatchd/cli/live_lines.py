"""What is told live, as lines of a terminal. Senders chose much of it: it is escaped."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dispatchd.cli.text import size
from dispatchd.strangers import printable
from dispatchd.terminal import styled

TYPE_CHARS: Final = 28
MESSAGE_CHARS: Final = 160
_STYLES: Final = {"failed": "red", "retrying": "yellow", "held": "yellow", "success": "green"}

Style = Callable[[str, str], str]


def styler(*, colour: bool) -> Style:
    """Return what puts a text into a style of terminal.STYLES, where colours are wanted."""

    def style(text: str, name: str) -> str:
        return styled(text, name, colour=colour) if name else text

    return style


def event_line(fields: Mapping[str, Any], style: Style) -> str:
    """Return the line of an event: when, of which endpoint, what, where it goes."""
    destinations = fields["destinations"]
    if fields["status"] == "filtered":
        whither = style("filtered", "dim")
    else:
        whither = f"-> {', '.join(map(printable, destinations)) or 'nowhere'}"
    return "  ".join(
        (
            _time(fields["received"]),
            style(printable(fields["endpoint"]), "bold"),
            _type(fields),
            size(fields["body_bytes"]),
            whither,
            style(fields["event_id"], "dim"),
        )
    )


def attempt_line(fields: Mapping[str, Any], style: Style) -> str:
    """Return the line of an attempt: when it began, where, what came of it, of which event."""
    attempt, delivery = fields["attempt"], fields["delivery"]
    parts = [
        _time(attempt["started"]),
        style(f"   {printable(fields['destination'])} {delivery}", _STYLES.get(delivery, "")),
        outcome(attempt),
    ]
    if attempt["number"] > 1:
        parts.append(f"attempt {attempt['number']}")
    if fields["due"] is not None:
        parts.append(f"again at {fields['due'][11:19]}")
    parts.append(style(fields["event_id"], "dim"))
    return "  ".join(parts)


def outcome(attempt: Mapping[str, Any]) -> str:
    """Say how an exchange ended: `200 in 12 ms`, `timeout in 30 s: no answer`."""
    error, status = attempt["error"], attempt["status_code"]
    words = str(status) if status is not None else str(error or "ended")
    said = f"{words} in {_took(attempt['latency_ms'])}"
    message = attempt["message"]
    if error is not None and status is None and message:
        said += f": {printable(message)[:MESSAGE_CHARS]}"
    return said


def _took(latency_ms: float) -> str:
    return f"{latency_ms:.0f} ms" if latency_ms < 10_000 else f"{latency_ms / 1000:.0f} s"  # noqa: PLR2004 - of two digits


def _type(fields: Mapping[str, Any]) -> str:
    text = fields["event_type"]
    text = "-" if text is None else printable(text)
    return text if len(text) <= TYPE_CHARS else f"{text[: TYPE_CHARS - 1]}…"


def _time(spelled: str) -> str:
    return spelled[11:23]


def forwarded_line(fields: Mapping[str, Any], style: Style) -> str:
    """Return the line of an event that was brought to a local address, and what that said."""
    status = fields["status_code"]
    ok = fields["error"] is None and status is not None and 200 <= status < 300  # noqa: PLR2004 - HTTP's success
    return "  ".join(
        (
            _time(fields["received"]),
            _type(fields),
            size(fields["body_bytes"]),
            style(f"-> {outcome(fields)}", "green" if ok else "red"),
            style(fields["event_id"], "dim"),
        )
    )
