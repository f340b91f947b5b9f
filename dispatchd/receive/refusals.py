"""What becomes of refused requests: the last ones are kept, all are counted, at best effort.

No refusal is a write. They wait in memory, few and small, for the next of the duty's transactions,
which come the more rarely the longer refusals go on: a flood costs the disk next to nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from dispatchd.clock import Clock
from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.facts import Fact, WebhookAnswered, result_of
from dispatchd.receive.answers import Refusal
from dispatchd.receive.spec import KEEP_REFUSED, RefusedRule
from dispatchd.redact import BLACK
from dispatchd.store.refused import Answered, Refused, RefusedRequest
from dispatchd.verify import is_secret_header, without_query

EVERY_S: Final = 1.0  # between two writes, twice as long after each, up to
EVERY_MAX_S: Final = 10.0
WAITING_MAX_BYTES: Final = 1024 * 1024
COUNTED_MAX: Final = 10_000  # answers that wait to be counted: endpoints, results and minutes
BODY_MAX_BYTES: Final = 64 * 1024
HEADERS_MAX_CHARS: Final = 8192
SLUG_MAX_CHARS: Final = 128
_EACH_BYTES: Final = 512  # what a request takes beside its headers and body
_ANONYMOUS: Final = RefusedRule(KEEP_REFUSED)


class Refusals:
    """Keeps refused requests, and counts the answers to those that were not kept as events."""

    def __init__(self, store: Refused, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._wake = asyncio.Event()
        self._requests: dict[tuple[str | None, str], list[RefusedRequest]] = {}
        self._keep: dict[tuple[str | None, str], int] = {}
        self._bytes: Counter[tuple[str | None, str]] = Counter()  # that wait
        self._counted: dict[Answered, int] = {}

    def watch(self, fact: Fact) -> None:
        """Count an answer; what was kept as an event is counted with it."""
        if isinstance(fact, WebhookAnswered) and fact.status and not _is_kept(fact):
            endpoint = None if fact.error == "unknown_endpoint" else fact.endpoint
            key = Answered(self._clock.now_ms() // 60_000, endpoint, result_of(fact))
            if key in self._counted or len(self._counted) < COUNTED_MAX:
                self._counted[key] = self._counted.get(key, 0) + 1
                self._wake.set()

    def note(
        self,
        told: WebhookAnswered,
        refusal: Refusal,
        rule: RefusedRule | None,
        *,
        method: str,
        headers: Mapping[str, str],
        secret_headers: frozenset[str] = frozenset(),
        body: bytes | None = None,
    ) -> None:
        """Take a refused request, unless enough of its kind wait already.

        `rule` is its endpoint's, None where there is none. Faults of ours are none of it, and
        duplicates are not: they are events.
        """
        if refusal.status >= 500 or refusal.event_id is not None:  # noqa: PLR2004 - ours
            return
        endpoint = None if rule is None else told.endpoint
        key = (endpoint, refusal.code)
        rule = rule or _ANONYMOUS
        waiting = self._requests.setdefault(key, [])
        if len(waiting) >= rule.keep or not self._has_room(key):
            return
        kept = _kept_headers(headers, secret_headers)
        if body is not None and (not rule.body or len(body) > BODY_MAX_BYTES):
            body = None
        declared = headers.get("Content-Length", "")
        size_bytes = told.body_bytes
        if size_bytes is None and declared.isascii() and declared.isdigit():
            size_bytes = min(int(declared[:18]), 2**53)
        waiting.append(
            RefusedRequest(
                endpoint=endpoint,
                slug=told.endpoint[:SLUG_MAX_CHARS],
                at_ms=self._clock.now_ms(),
                method=method,
                status=refusal.status,
                reason=refusal.code,
                message=refusal.message,
                source_ip=told.source_ip,
                headers=kept,
                body_bytes=size_bytes,
                body=body,
            )
        )
        self._keep[key] = rule.keep
        self._bytes[key] += _bytes_of(waiting[-1])
        self._wake.set()

    def _has_room(self, key: tuple[str | None, str]) -> bool:
        """Whether one more of a kind may wait; the kind with the most makes room for others."""
        while self._bytes.total() >= WAITING_MAX_BYTES:
            largest = max(self._bytes, key=self._bytes.__getitem__)
            if largest == key:
                return False
            self._bytes[largest] -= _bytes_of(self._requests[largest].pop())
        return True

    async def run(self) -> None:
        """Write what waits, for ever."""
        never = asyncio.Event()
        every_s = EVERY_S
        while True:
            idle_since_s = self._clock.monotonic_s()
            await self._wake.wait()
            if self._clock.monotonic_s() - idle_since_s > every_s:
                every_s = EVERY_S
            await self._clock.wait(never, every_s)
            every_s = min(2 * every_s, EVERY_MAX_S)
            await self.write()

    async def write(self) -> None:
        """Write what waits. What the store does not take is gone, but for what is counted."""
        self._wake.clear()
        requests = [one for waiting in self._requests.values() for one in waiting]
        keep, counted = self._keep, self._counted
        self._requests, self._keep, self._counted = {}, {}, {}
        self._bytes.clear()
        if not requests and not counted:
            return
        try:
            await self._store.keep_refused(requests, keep, counted)
        except (StoreUnavailable, WriteRejected):  # others say so
            for key, count in counted.items():
                if len(self._counted) < COUNTED_MAX:
                    self._counted[key] = self._counted.get(key, 0) + count


def _is_kept(fact: WebhookAnswered) -> bool:
    return fact.event is not None and fact.error is None and fact.duplicate_of is None


def _bytes_of(request: RefusedRequest) -> int:
    headers = sum(len(name) + len(value) for name, value in request.headers)
    return _EACH_BYTES + headers + len(request.body or b"")


def _kept_headers(
    headers: Mapping[str, str], secret_headers: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    """Return the headers, of those that may prove somebody the name alone; some KiB in all."""
    kept = []
    left = HEADERS_MAX_CHARS
    for name, value in headers.items():
        secret = is_secret_header(name) or name.lower() in secret_headers
        shown = BLACK if secret else without_query(name, value)
        left -= len(name) + len(shown)
        if left < 0:
            break
        kept.append((name, shown))
    return tuple(kept)
