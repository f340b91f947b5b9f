"""The log: one wide line per received event and per attempt, JSON for machines, text for people.

Made by `make_log` and handed down; nothing here is global but the bridge that brings the
libraries' own warnings into the same stream.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO, Final, Literal, Protocol

import orjson

from dispatchd.log.sink import Sink
from dispatchd.log.text import render
from dispatchd.strangers import printable_json, utf8
from dispatchd.terminal import wants_colour

LogFormat = Literal["json", "text"]
Render = Callable[[str, str, Mapping[str, Any]], bytes]  # level, event, fields: a line
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


class StreamLog:
    """A log that writes to a stream; `close` it, or the last lines may be lost."""

    def __init__(self, sink: Sink, render: Render, least: int) -> None:
        self._sink = sink
        self._render = render
        self._least = least

    def debug(self, event: str, **fields: Any) -> None:
        """Log detail."""
        if self._least <= LEVELS["debug"]:
            self._sink.write(self._render("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        """Log what happened."""
        if self._least <= LEVELS["info"]:
            self._sink.write(self._render("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Log what someone should look at."""
        if self._least <= LEVELS["warning"]:
            self._sink.write(self._render("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        """Log what someone must look at."""
        self._sink.write(self._render("error", event, fields))

    def close(self) -> None:
        """Write what is left, within a bounded time."""
        self._sink.close()


def make_log(
    log_format: LogFormat,
    *,
    level: str = "info",
    file: BinaryIO | None = None,
    environ: Mapping[str, str] = os.environ,
    now_ns: Callable[[], int] = time.time_ns,
) -> StreamLog:
    """Return a log that writes to `file` (standard error by default)."""
    stream = file or sys.stderr.buffer
    rendered: Render
    if log_format == "json":
        rendered = _JsonLines(now_ns)
    else:
        rendered = _TextLines(now_ns, colour=wants_colour(environ, is_tty=stream.isatty()))
    dropped = partial(_dropped_line, rendered)
    return StreamLog(Sink(stream, dropped), rendered, LEVELS[level])


def _dropped_line(rendered: Render, count: int) -> bytes:
    return rendered("warning", "log_lines_dropped", {"count": count})


class _JsonLines:
    """Renders JSON; the part of `time` (UTC) down to the second is made once a second."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._second = -1
        self._text = ""

    def __call__(self, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        second, rest_ns = divmod(self._now_ns(), 1_000_000_000)
        if second != self._second:
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        line = {
            "time": f"{self._text}.{rest_ns // 1_000_000:03d}Z",
            "level": level,
            "event": event,
            **fields,
        }
        try:
            document = orjson.dumps(line)
        except TypeError:  # text that is no UTF-8 (a lone surrogate), or a type orjson doesn't know
            document = orjson.dumps(_plain(line))
        return printable_json(document)


class _TextLines:
    """Renders text for people."""

    def __init__(self, now_ns: Callable[[], int], *, colour: bool) -> None:
        self._now_ns = now_ns
        self._colour = colour

    def __call__(self, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        return render(level, event, fields, self._now_ns() // 1_000_000, colour=self._colour)


def _plain(value: Any) -> Any:
    if isinstance(value, (int, float)) or value is None:
        return value
    if isinstance(value, dict):
        return {utf8(str(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return utf8(str(value))


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
