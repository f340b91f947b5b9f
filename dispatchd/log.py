"""The log: one wide line per received event and per attempt, JSON for machines, text for people.

Made by `make_log` and handed down; nothing here is global but the bridge that brings the
libraries' own warnings into the same stream.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Literal, Protocol

import orjson
import structlog

LogFormat = Literal["json", "text"]
Fields = MutableMapping[str, Any]
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log(Protocol):
    """What modules ask of a log: an event name and stable fields."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Log detail."""

    def info(self, event: str, **fields: Any) -> Any:
        """Log what happened."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Log what someone should look at."""

    def error(self, event: str, **fields: Any) -> Any:
        """Log what someone must look at."""


def make_log(log_format: LogFormat, *, level: str = "info", file: BinaryIO | None = None) -> Log:
    """Return a log that writes to `file` (standard error by default)."""
    stream = file or sys.stderr.buffer
    lazy = structlog.wrap_logger(
        _Sink(stream),
        processors=[
            _Stamp(),
            structlog.processors.add_log_level,
            _render_json if log_format == "json" else _text_renderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    log: Log = lazy.bind()  # bound now: a lazy one looks its class up again for every line
    return log


class _Stamp:
    """Adds `time`, UTC with milliseconds; the part down to the second is made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, _log: object, _method: str, fields: Fields) -> Fields:
        second, rest_ns = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        fields["time"] = f"{self._text}.{rest_ns // 1_000_000:03d}Z"
        return fields


class _Sink:
    """Writes lines; those logged within one turn of the event loop go out in one write.

    A group commit answers many requests in one turn: one system call for all their lines.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    def msg(self, line: bytes) -> None:
        """Write one line, without its newline."""
        self._lines.append(line)
        if len(self._lines) > 1:
            return  # a flush is on its way
        try:
            asyncio.get_running_loop().call_soon(self._flush)
        except RuntimeError:  # outside the event loop there are no turns to wait for
            self._flush()

    debug = info = warning = error = msg

    def _flush(self) -> None:
        text = b"\n".join(self._lines) + b"\n"
        self._lines.clear()
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            pass  # a log that cannot be written (a full disk, a closed pipe) stops no delivery


def _render_json(_log: object, _method: str, fields: Fields) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:  # text that is no UTF-8 (a lone surrogate), or a type orjson does not know
        return orjson.dumps({k: _plain(v) for k, v in fields.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    return str(value).encode("utf-8", "replace").decode()


def _text_renderer() -> Callable[..., bytes]:
    """Return a renderer for people. Senders choose some fields: control characters are escaped."""
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=20)

    def rendered(log: Any, method: str, fields: Fields) -> bytes:
        safe = {k: _escaped(v) if isinstance(v, str) else v for k, v in fields.items()}
        return str(render(log, method, safe)).encode("utf-8", "replace")

    return rendered


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Bridge(logging.Handler):
    """Brings a library's own log records into ours, as one line each."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's record; an exception is named, its traceback kept to one field."""
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = repr(record.exc_info[1])
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        (self._log.error if record.levelno >= logging.ERROR else self._log.warning)(
            "library", **fields
        )


def bridge_libraries(log: Log) -> None:
    """Send the libraries' warnings and errors (asyncio, aiohttp) to `log`."""
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(log)]
    root.setLevel(logging.WARNING)
