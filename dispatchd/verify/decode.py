"""Strict decoders: every one returns the value or raises ValueError with words fit for a sender.

The standard ones forgive: `bytes.fromhex` skips spaces, `b64decode` drops junk, `int` takes
underscores, signs and any script's digits.
"""

import base64
import re
from datetime import UTC, datetime
from typing import Any, Final

import orjson

_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ISO_8601: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
TIMESTAMP_UNITS: Final = ("s", "ms", "iso8601")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,14}", re.ASCII)  # 14 digits are the year 5138 in ms


def hex_bytes(text: str) -> bytes:
    """Decode hex in either case, without spaces."""
    if not _HEX.fullmatch(text):
        raise ValueError("the signature is not hex")
    return bytes.fromhex(text)


def base64_bytes(text: str, *, padding: bool = True) -> bytes:
    """Decode canonical standard base64; `padding=False` lets the `=` be left out."""
    if not padding:
        text += "=" * (-len(text) % 4)
    if len(text) % 4 == 0 and _BASE64.fullmatch(text):
        value = base64.b64decode(text)
        if base64.b64encode(value).decode() == text:  # no stray bits behind the last byte
            return value
    raise ValueError("the signature is not base64")


def base64url_bytes(text: str) -> bytes:
    """Decode canonical base64url without padding, as JSON Web Tokens use it."""
    if _BASE64URL.fullmatch(text) and len(text) % 4 != 1:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if base64.urlsafe_b64encode(value).rstrip(b"=").decode() == text:
            return value
    raise ValueError("the token is not base64url")


def timestamp(value: Any) -> int:
    """Read a whole number of seconds or milliseconds: ASCII digits or a JSON integer."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _TIMESTAMP.fullmatch(text):
        raise ValueError("the timestamp is not a whole number")
    return int(text)


def time_s(value: Any, unit: str) -> float:
    """Read a timestamp in one of TIMESTAMP_UNITS as Unix time in seconds."""
    if unit == "s":
        return timestamp(value)
    if unit == "ms":
        return timestamp(value) / 1000
    if not isinstance(value, str) or not _ISO_8601.fullmatch(value):
        raise ValueError("the timestamp is not of the form 2026-01-31T12:00:00Z")
    return datetime.fromisoformat(value).timestamp()


def spelled_time(now_s: float, unit: str) -> str:
    """Spell Unix time in seconds in one of TIMESTAMP_UNITS."""
    if unit == "iso8601":
        return datetime.fromtimestamp(round(now_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(round(now_s * 1000 if unit == "ms" else now_s))


def json_document(data: bytes) -> Any:
    """Parse strict JSON; orjson refuses bad UTF-8, NaN and deep nesting."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ValueError("the body is not valid JSON") from None
