"""Who may use the admin listener: a bearer token, or a session that a login with it began.

Sessions are in memory: they end with the daemon, and at once with a logout. Wrong tokens are
counted by address, and an address with too many waits.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

SESSIONS_MAX: Final = 256
IDLE_S: Final = 12 * 3600.0
LASTS_S: Final = 7 * 86_400.0
WRONG_MAX: Final = 10  # tokens of one address, then it waits
WAIT_S: Final = 60.0
ADDRESSES_MAX: Final = 10_000


@dataclass(slots=True)
class Session:
    """A browser that has logged in. Times are monotonic, in s; `csrf` is what its forms carry."""

    began_s: float
    seen_s: float
    csrf: str


class Sessions:
    """The sessions under way, by the hash of what their cookies hold."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, now_s: float) -> str:
        """Begin a session; return what its cookie is to hold."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[_hash(cookie)] = Session(now_s, now_s, secrets.token_urlsafe(32))
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str, now_s: float) -> Session | None:
        """Return the session of a cookie, unless it has ended."""
        key = _hash(cookie)
        session = self._sessions.get(key)
        if session is None:
            return None
        if now_s - session.seen_s > IDLE_S or now_s - session.began_s > LASTS_S:
            del self._sessions[key]
            return None
        session.seen_s = now_s
        self._sessions.move_to_end(key)
        return session

    def goes_on(self, session: Session, now_s: float) -> bool:
        """Whether a session has not ended. Asking does not count as its being used."""
        if now_s - session.seen_s > IDLE_S or now_s - session.began_s > LASTS_S:
            return False
        return any(one is session for one in self._sessions.values())

    def end(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(cookie), None)

    def end_all(self) -> None:
        """End every session."""
        self._sessions.clear()


class Attempts:
    """Wrong tokens by address: after a few it waits, whatever it comes with."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, the last

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how long an address has to wait; 0 for not at all."""
        count, last_s = self._wrong.get(address, (0, 0.0))
        return max(0.0, last_s + WAIT_S - now_s) if count >= WRONG_MAX else 0.0

    def failed(self, address: str, now_s: float) -> None:
        """Count a wrong token."""
        count, last_s = self._wrong.get(address, (0, now_s))
        if now_s - last_s >= WAIT_S:
            count = 0
        self._wrong[address] = (count + 1, now_s)
        self._wrong.move_to_end(address)
        if len(self._wrong) > ADDRESSES_MAX:
            self._wrong.popitem(last=False)


def same_token(given: str, token: bytes) -> bool:
    """Whether a token is the right one, in a time that tells nothing of it."""
    return hmac.compare_digest(_hash(given), hashlib.sha256(token).digest())


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
