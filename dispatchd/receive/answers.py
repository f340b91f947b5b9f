"""What a request is answered with: the contract's statuses and its error documents."""

import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import HttpVersion10, web

if TYPE_CHECKING:
    from collections.abc import Callable

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

    It stands where aiohttp expects a response, at a tenth of the cost of a general one. `then` is
    called once it is written, or nobody was there for it.
    """

    __slots__ = ("_close", "_extra", "body", "content_type", "keep_alive", "status", "then")

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
        self.then: Callable[[], None] | None = None

    def force_close(self) -> None:
        """End the connection with this answer."""
        self._close = True

    def spelled(self, request: web.BaseRequest) -> bytes:
        """Return what is written to `request`, and know by that whether the connection goes on."""
        self.keep_alive = request.keep_alive and not self._close
        connection = ""
        if not self.keep_alive:
            connection = "Connection: close\r\n"
        elif request.version == HttpVersion10:
            connection = "Connection: keep-alive\r\n"
        body = self.body
        head = _head(self.status, self.content_type, len(body), connection, int(time.time()))
        if self._extra is not None:
            extra = "".join([f"{name}: {value}\r\n" for name, value in self._extra.items()])
            head = head[:-2] + f"{extra}\r\n".encode("latin-1")
        return head if request.method == "HEAD" else head + body

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer to `request`. Raises ConnectionError where nobody is there."""
        await request.writer.write(self.spelled(request))

    def unasked(self) -> bytes:
        """Return it whole, for where there is no request that could be answered; it ends there."""
        headers = {**(self._extra or {}), "Content-Length": len(self.body), "Connection": "close"}
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{_start(self.status, self.content_type)}{lines}\r\n"
        return head.encode("latin-1") + self.body

    async def write_eof(self) -> None:
        """Do nothing: `prepare` has written it all."""


def _start(status: int, content_type: str) -> str:
    """Return what is the same over answers of a kind; whose server it is, without versions."""
    typed = f"Content-Type: {content_type}\r\n" if status != HTTPStatus.NO_CONTENT else ""
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: dispatchd\r\n{typed}"


@lru_cache(maxsize=64)
def _head(status: int, content_type: str, body_bytes: int, connection: str, now_s: int) -> bytes:
    """Return a whole head; in a second nearly all have the same one."""
    date = f"Date: {formatdate(now_s, usegmt=True)}\r\n"
    length = f"Content-Length: {body_bytes}\r\n" if status != HTTPStatus.NO_CONTENT else ""
    return f"{_start(status, content_type)}{date}{length}{connection}\r\n".encode("latin-1")


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
