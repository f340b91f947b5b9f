"""A delivery, a judgement and a body as the page of an event tells them: bounded. Pure."""

from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl

from dispatchd.admin.dashboard.allowance import Allowance
from dispatchd.admin.dashboard.filters import at_ms
from dispatchd.admin.dashboard.folding import folded, folded_value
from dispatchd.admin.dashboard.health import DELIVERY_TONES, DELIVERY_WORDS, words
from dispatchd.shapes.event import AttemptFields, DeliveryFields
from dispatchd.shapes.explained import facts_said, link_said
from dispatchd.shapes.explanation import ExplanationFields
from dispatchd.spelling import span

ATTEMPTS_MAX: Final = 20  # shown of a delivery
TEXT_MAX_CHARS: Final = 8_000  # of a body that is no JSON
SENT_MAX_CHARS: Final = 2_000  # of what would be sent
ANSWER_MAX_CHARS: Final = 2_100
HEADERS_MAX: Final = 20  # of an answer
VALUE_MAX_CHARS: Final = 160
SECOND_MS: Final = 1000
FORM: Final = "application/x-www-form-urlencoded"


def delivery_told(delivery: DeliveryFields, received: str, room: Allowance) -> dict[str, Any]:
    """Return a delivery with its attempts as a page tells them; answers as far as `room` goes."""
    attempts = delivery["attempts"]
    shown = attempts[-ATTEMPTS_MAX:]
    before_ms = [at_ms(received), *map(_ended_ms, attempts)][-len(shown) - 1 :]
    told = [
        attempt_told(attempt, since_ms, room)
        for attempt, since_ms in reversed(list(zip(shown, before_ms, strict=False)))
    ]  # from the last on: its answer is worth most
    return {
        **delivery,
        "tone": DELIVERY_TONES[delivery["status"]],
        "word": DELIVERY_WORDS[delivery["status"]],
        "tries": told[::-1],
        "earlier": len(attempts) - len(shown),
    }


def _ended_ms(attempt: AttemptFields) -> int:
    return at_ms(attempt["started"]) + round(attempt["latency_ms"])


def attempt_told(attempt: AttemptFields, since_ms: int, room: Allowance) -> dict[str, Any]:
    """Return an attempt as a page tells it; it was waited for since `since_ms`."""
    waited_ms = max(0, at_ms(attempt["started"]) - since_ms)
    answer = attempt.get("response")
    if answer is None and "response_base64" in attempt:
        answer = f"(not text; base64) {attempt['response_base64']}"
    shown = room.text(answer, ANSWER_MAX_CHARS) if answer else None
    return {
        **attempt,
        "good": attempt["error"] is None,
        "word": "delivered" if attempt["error"] is None else words(attempt["error"]),
        "waited": span(waited_ms) if waited_ms >= SECOND_MS else f"{waited_ms} ms",
        "answer": shown,
        "left_out": bool(answer) and shown is None,
        "headers": room.pairs(attempt["response_headers"], HEADERS_MAX, VALUE_MAX_CHARS),
    }


def judgement_told(told: ExplanationFields, room: Allowance) -> dict[str, Any]:
    """Return an explanation as a page tells it."""
    links = []
    for link in told.get("links", []):
        would: dict[str, Any] = {"folded": None, "text": None}
        tree = link["said"]["tree"] if link["said"] is not None else link.get("message")
        body = link.get("body")
        if tree is not None:
            would["folded"] = folded_value(tree, SENT_MAX_CHARS * 2)
        elif body is not None:
            would["text"] = room.text(body, SENT_MAX_CHARS)
        links.append({**link, "steps": list(link_said(link)), "would": would})
    return {"facts": list(facts_said(told))[1:], "links": links}


def body_told(body: bytes, content_type: str, most_chars: int) -> dict[str, Any]:
    """Return a body as far as a page shows it: folded JSON, a form's fields, or text."""
    told: dict[str, Any] = {
        "folded": folded(body, most_chars),
        "form": None,
        "text": None,
        "cut": False,
    }
    if told["folded"] is not None:
        return told
    room = Allowance(most_chars)
    if content_type.partition(";")[0].strip().lower() == FORM and len(body) <= TEXT_MAX_CHARS:
        with suppress(ValueError):
            fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
            told["form"], told["cut"] = room.pairs(fields, 200, SENT_MAX_CHARS), room.met
            return told
    text = body[: TEXT_MAX_CHARS * 4].decode("utf-8", "backslashreplace")
    for most in (TEXT_MAX_CHARS, TEXT_MAX_CHARS // 4):  # the second fits, whatever is escaped
        told["text"] = room.text(text, most)
        if told["text"] is not None:
            break
    told["cut"] = room.met
    return told
