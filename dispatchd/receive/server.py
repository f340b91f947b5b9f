"""The HTTP server under the receiver: aiohttp's, with the contract's errors for bad HTTP."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from dispatchd.log import Log

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

KEEPALIVE_S = 75.0


class _Protocol(RequestHandler):
    """aiohttp's connection handler; what cannot be parsed gets our JSON error, and a quiet log."""

    __slots__ = ("_dispatchd_log",)
    _dispatchd_log: Log

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - may quote the request, secrets included
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed (4xx) or that we failed (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun: no other can be sent")
        if status >= 500:  # noqa: PLR2004
            self._dispatchd_log.error("internal_error", error=repr(exc))
            code, text = "internal_error", "internal error"
        else:
            code, text = "bad_request", "the request is not valid HTTP"
        response = web.Response(
            status=status,
            body=orjson.dumps({"error": {"code": code, "message": text}}),
            content_type="application/json",
        )
        response.force_close()
        return response


class _Server(web.Server):
    def __init__(self, handler: Handler, log: Log) -> None:
        super().__init__(handler)
        self._log = log

    def __call__(self) -> RequestHandler:
        protocol = _Protocol(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp: falsy is off; we log ourselves
            keepalive_timeout=KEEPALIVE_S,
            auto_decompress=False,  # signatures cover the bytes as sent; and no bombs
            lingering_time=2.0,  # for a body we will not read, e.g. after a 413
        )
        protocol._dispatchd_log = self._log  # noqa: SLF001 - our own subclass
        return protocol


def http_server(handler: Handler, log: Log) -> web.Server:
    """Return the low-level server for `handler`: no routing table between it and the socket."""
    return _Server(handler, log)
