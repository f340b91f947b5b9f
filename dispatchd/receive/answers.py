"""What a request is answered with: the contract's statuses and its error documents."""

import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import HttpVersion10, web

# How long a sender should wait before it tries again, by why it was not kept.
RETRY_AFTER_S: Final = {"overloaded": 1, "locked": 2, "closed": 5}
RETRY_AFTER_DEFAULT_S: Final = 10  # a full or failing disk takes somebody to mend it

JSON: Final = "application/json"


@dataclass(slots=True)
class Refusal(Exception):  # noqa: N818 - an answer, not a mistake of ours
    """A request ends here with an error of the contract.

    `event_id` is the first event's, where this one is a duplicate; `close` ends the connection;
    `pause_s` is how long the answer waits, at least, and up to twice that.
    """

    status: int
    code: str
    message: str
    headers: dict[str, str] | None = None
    close: bool = False
    event_id: str | None = None
    pause_s: float = 0.0


def unavailable(reason: str, message: str) -> Refusal:
    """Return the 503 of a `reason` (a StoreUnavailable's, or `overloaded`)."""
    seconds = RETRY_AFTER_S.get(reason, RETRY_AFTER_DEFAULT_S)
    return Refusal(
        503, f"unavailable_{reason}", f"{message}; try again", headers={"Retry-After": str(seconds)}
    )


class HttpAnswer:
    """One whole answer, written in one piece.

    It stands where aiohttp expects a response: a head of five lines is made from parts that are
    ready, at a tenth of the cost of a general one.
    """

    __slots__ = ("_close", "_extra", "body", "content_type", "keep_alive", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: str = JSON,
        headers: dict[str, str] | None = None,
        *,
        close: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self._extra = headers
        self._close = close
        self.keep_alive = False  # known once it is written

    def force_close(self) -> None:
        """End the connection with this answer."""
        self._close = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer to `request`. Raises ConnectionError where nobody is there."""
        self.keep_alive = request.keep_alive and not self._close
        text = _start(self.status, self.content_type) + _date_line(int(time.time()))
        if self._extra is not None:
            text += "".join([f"{name}: {value}\r\n" for name, value in self._extra.items()])
        body = self.body
        if self.status != HTTPStatus.NO_CONTENT:
            text += f"Content-Length: {len(body)}\r\n"
        if not self.keep_alive:
            text += "Connection: close\r\n"
        elif request.version == HttpVersion10:
            text += "Connection: keep-alive\r\n"
        head = (text + "\r\n").encode("latin-1")
        await request.writer.write(head if request.method == "HEAD" else head + body)

    def unasked(self) -> bytes:
        """Return it whole, for where there is no request that could be answered; it ends there."""
        headers = {**(self._extra or {}), "Content-Length": len(self.body), "Connection": "close"}
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{_start(self.status, self.content_type)}{lines}\r\n"
        return head.encode("latin-1") + self.body

    async def write_eof(self) -> None:
        """Do nothing: `prepare` has written it all."""


@lru_cache(maxsize=64)
def _start(status: int, content_type: str) -> str:
    """Return what is the same over answers of a kind; whose server it is, without versions."""
    typed = f"Content-Type: {content_type}\r\n" if status != HTTPStatus.NO_CONTENT else ""
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: dispatchd\r\n{typed}"


@lru_cache(maxsize=2)
def _date_line(now_s: int) -> str:
    return f"Date: {formatdate(now_s, usegmt=True)}\r\n"


def accepted(event_id: str) -> HttpAnswer:
    """Return the 202: the event is on disk."""
    return HttpAnswer(202, b'{"event_id":"%s"}' % event_id.encode())


def json_answer(status: int, document: Any) -> HttpAnswer:
    """Return a document."""
    return HttpAnswer(status, orjson.dumps(document))


def error_document(code: str, message: str) -> dict[str, Any]:
    """Return what every error of the contract says."""
    return {"error": {"code": code, "message": message}}


def refused(refusal: Refusal) -> HttpAnswer:
    """Return the error document of a refusal."""
    document = error_document(refusal.code, refusal.message)
    if refusal.event_id is not None:
        document["event_id"] = refusal.event_id
    body = orjson.dumps(document)
    return HttpAnswer(refusal.status, body, JSON, refusal.headers, close=refusal.close)
