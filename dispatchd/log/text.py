"""Log lines for people: one line each, the time first, what happened in the words of the trade.

12:00:01.123 github issues 202 → crm, audit (1.2 KiB, 3 ms)
12:00:01.130 github issues → crm 500, retry in 5s (7 ms)
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dispatchd.strangers import printable
from dispatchd.terminal import styled

_STYLES: Final = {"debug": "dim", "warning": "yellow", "error": "red"}
_KIB: Final = 1024
_SAID_BY_CODE: Final = ("http_error", "redirect")
_SPANS_S: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What the sentence says already, or nobody reads while they watch.
_SAID: Final = {
    "event": _names(
        "endpoint status source_ip body_bytes auth event_id event_type destinations latency_ms"
        " error"
    ),
    "attempt": _names(
        "result event_id event_type endpoint destination number status_code latency_ms error"
        " message due_ms"
    ),
}


def render(
    level: str, event: str, fields: Mapping[str, Any], now_ms: int, *, colour: bool
) -> bytes:
    """Return the line; senders choose some of the fields: control characters are escaped."""
    tell = _SENTENCES.get(event, _plainly)
    told = tell(event, fields, now_ms)
    said = _SAID.get(event)
    if said is not None:
        told += _rest({k: v for k, v in fields.items() if k not in said})
    text = printable(told)
    if level in _STYLES:
        text = styled(text, _STYLES[level], colour=colour)
    time = styled(f"{_utc(now_ms):%H:%M:%S}.{now_ms % 1000:03d}", "dim", colour=colour)
    return f"{time} {text}".encode()


def _plainly(event: str, fields: Mapping[str, Any], now_ms: int) -> str:  # noqa: ARG001 - one shape
    told = event.replace("_", " ")
    if message := fields.get("message"):
        told += f": {message}"
    rest: dict[str, Any] = {}
    for key, value in fields.items():
        if key == "since_ms" and value is not None:
            rest["since"] = f"{_utc(value):%Y-%m-%dT%H:%M:%SZ}"
        elif key != "message" and value != "":  # what nobody gave a reason for
            rest[key] = value
    return told + _rest(rest)


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)


def _event(_: str, fields: Mapping[str, Any], now_ms: int) -> str:  # noqa: ARG001 - one shape
    told = f"{_from(fields)} {fields.get('status')}"
    if (error := fields.get("error")) is not None:
        return f"{told} {error} from {fields.get('source_ip') or '-'} ({_cost(fields)})"
    goes_to = fields.get("destinations")
    if _is_list(goes_to) and goes_to:
        told += f" → {', '.join(map(str, goes_to))}"
    elif goes_to:  # their number
        told += f" → {goes_to} destination{'s' if goes_to > 1 else ''}"
    return f"{told} ({_cost(fields)})"


def _attempt(_: str, fields: Mapping[str, Any], now_ms: int) -> str:
    code, error = fields.get("status_code"), fields.get("error")
    result = [str(code)] if code is not None else []
    if error is not None and (code is None or error not in _SAID_BY_CODE):
        result.append(str(error))
    told = f"{_from(fields)} → {fields.get('destination')} {' '.join(result)}"
    if error is not None and code is None and fields.get("message"):
        told += f", {fields['message']}"
    if (due_ms := fields.get("due_ms")) is not None:
        told += f", retry in {span(due_ms - now_ms)}"
    elif fields.get("result") == "failed":
        told += f", failed for good after {fields.get('number')}"
    return f"{told} ({_cost(fields)})"


_SENTENCES: Final = {"event": _event, "attempt": _attempt}


def _from(fields: Mapping[str, Any]) -> str:
    kind = fields.get("event_type")
    return f"{fields.get('endpoint')} {kind}" if kind else str(fields.get("endpoint"))


def _cost(fields: Mapping[str, Any]) -> str:
    parts = []
    if (body_bytes := fields.get("body_bytes")) is not None:
        parts.append(f"{body_bytes} B" if body_bytes < _KIB else f"{body_bytes / _KIB:,.1f} KiB")
    if (latency_ms := fields.get("latency_ms")) is not None:
        parts.append(f"{latency_ms:,.0f} ms")
    return ", ".join(parts)


def _rest(fields: Mapping[str, Any]) -> str:
    return "".join(f" {k}={_value(v)}" for k, v in fields.items() if v is not None)


def _value(value: Any) -> str:
    if _is_list(value):
        return ",".join(map(str, value))
    text = str(value)
    return f'"{text}"' if " " in text else text


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def span(span_ms: int) -> str:
    """Spell a wait roughly, in its largest unit: `0s`, `5s`, `2m`, `6h`, to the nearest."""
    seconds = max(span_ms, 0) / 1000
    for unit_s, name in _SPANS_S:
        if round(seconds) >= unit_s:
            return f"{round(seconds / unit_s)}{name}"
    return "0s"
