"""`Retry-After`: how long a destination asks to be left alone."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_MAX_MS: Final = 24 * 3600 * 1000  # a destination may ask for a day, not for a year


def retry_after_ms(value: str | None, now_ms: int) -> int:
    """Parse `Retry-After` (RFC 9110 section 10.2.3: delay seconds or an HTTP date) to a delay.

    Returns ms from `now_ms`, between 0 and 24 h; 0 for an absent, past or malformed value. A
    fraction of a second, which some servers send, rounds up.
    """
    if value is None:
        return 0
    text = value.strip()
    whole, _, fraction = text.partition(".")
    if _is_digits(whole) and (text == whole or _is_digits(fraction)):
        # A thousand digits is a long wait too, and int() on it would be slow or refuse.
        seconds = int(whole) if len(whole) <= 9 else RETRY_AFTER_MAX_MS  # noqa: PLR2004
        if fraction.strip("0"):
            seconds += 1
        return min(seconds * 1000, RETRY_AFTER_MAX_MS)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # an HTTP date is GMT, whatever it calls itself
            moment = moment.replace(tzinfo=UTC)
        delay_ms = round(moment.timestamp() * 1000) - now_ms
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    return max(0, min(delay_ms, RETRY_AFTER_MAX_MS))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
