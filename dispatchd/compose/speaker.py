"""What every type of destination that people read has in common: the Speaker, and its answers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from dispatchd.compose.courier import judge_http
from dispatchd.compose.retry_after import RETRY_AFTER_MAX_MS
from dispatchd.compose.webhook import JSON, USER_AGENT
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import (
    DIRECT,
    Carried,
    ErrorClass,
    Failed,
    Judged,
    Outcome,
    Reply,
    Request,
    Via,
)

TEXT_STEPS: Final = (4096, 2048, 1024, 512, 256, 128, 64)  # how long each text may be, by turns


@frozen
class Reach:
    """How a platform is reached: within `timeout_s`, by `via`."""

    timeout_s: float
    via: Via = DIRECT


class Speaker(ABC):
    """Says messages at one destination: composes what is sent, judges what came of it. Pure."""

    __slots__ = ()

    @abstractmethod
    def say(self, message: Message, key: str, now_ms: int) -> Carried:
        """Compose `message` in the platform's terms, for the attempt that began at `now_ms`.

        `key` is the same for all attempts at one delivery: letters, digits, `.`, `-` and `_`.
        """

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Say what an exchange that ended at `now_ms` (Unix ms) means: any 2xx is a success."""
        return judge_http(outcome, now_ms)


def json_request(
    url: str,
    document: Mapping[str, Any] | bytes,
    reach: Reach,
    headers: Iterable[tuple[str, str]] = (),
    method: str = "POST",
) -> Request:
    """Return a request with a JSON body."""
    always = [("User-Agent", USER_AGENT), ("Accept-Encoding", "identity"), ("Content-Type", JSON)]
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Request(method, url, [*always, *headers], body, reach.timeout_s, reach.via)


def with_query(url: str, **parameters: str) -> str:
    """Return `url` as it is written, and behind it those `parameters` that it does not name."""
    named = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    added = urlencode({name: value for name, value in parameters.items() if name not in named})
    if not added:
        return url
    return f"{url}{'&' if '?' in url else '?'}{added}"


def within(most_bytes: int, document: Callable[[int], Mapping[str, Any]]) -> bytes:
    """Return the JSON of the largest `document` that takes at most `most_bytes`.

    It is called with how long each of its texts may be.
    """
    body = b""
    for text_most in TEXT_STEPS:
        body = orjson.dumps(document(text_most))
        if len(body) <= most_bytes:
            break
    return body


def answered(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON object that was answered; empty where it is none, or was cut short."""
    if not isinstance(outcome, Reply):
        return {}
    try:
        document = orjson.loads(outcome.head)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def refused(judged: Judged, **changes: Any) -> Judged:
    """Return what an answer means whose body says no, whatever its status: it failed."""
    failed = judged if isinstance(judged, Failed) else Failed(ErrorClass.REJECTED)
    return replace(failed, **changes)


def told_to_wait(judged: Judged, wait: Any, unit_ms: int = 1000) -> Judged:
    """Return a failure with the wait that its body asks for, in `unit_ms`, where it is longer."""
    if not isinstance(judged, Failed) or isinstance(wait, bool):
        return judged
    if not isinstance(wait, (int, float)) or not wait > 0:
        return judged
    wait_ms = min(math.ceil(min(wait, RETRY_AFTER_MAX_MS) * unit_ms), RETRY_AFTER_MAX_MS)
    wait_ms = max(wait_ms, judged.retry_after_ms)
    return replace(judged, retry_after_ms=wait_ms, throttled=True)
