"""Names to addresses, by the system's own resolver, so that one dead zone stalls nobody else.

`getaddrinfo` knows what the machine's administrator set up (/etc/hosts, search domains, mDNS,
split horizons of nsswitch.conf), and it blocks. So each lookup has a thread of its own, one a
name at a time; a name whose last lookup failed waits for one of a few places, which leaves the
others to names that answer. Threads are daemons: one that hangs holds up no exit.

What was found serves for half a minute. For another half it still does, while a fresh answer is
fetched behind it; later a request waits for that a moment, then takes the stale answer (as
RFC 8767 has it) for as long as no other comes, at most for some hours.
"""

import asyncio
import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from dispatchd.send.classify import Unresolved

FRESH_S: Final = 30.0
REFRESHED_S: Final = 60.0  # until then a stale answer serves without waiting for the fresh one
GRACE_S: Final = 1.0  # that a request waits for a fresh answer before it takes a stale one
STALE_S: Final = 6 * 3600.0
NEGATIVE_S: Final = 2.0  # that a name which leads nowhere is not asked for again
THREADS_MAX: Final = 256  # each has a lookup to wait for and little memory
SUSPECTS_MAX: Final = 16  # of the threads, for names whose last lookup failed

Addresses = tuple[str, ...]
Lookup = Callable[[str], Sequence[str]]

_NOWHERE: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def system_lookup(host: str) -> Sequence[str]:
    """Ask the system for a name's addresses, best first. Blocks. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    addresses = []
    for family, _, _, _, address in found:
        if family == socket.AF_INET6 and len(address) == 4 and address[3]:  # noqa: PLR2004 - scope
            addresses.append(f"{str(address[0]).partition('%')[0]}%{address[3]}")
        else:
            addresses.append(str(address[0]))
    return tuple(dict.fromkeys(addresses))


def literal(host: str) -> str | None:
    """Return the address that `host` spells, None for a name.

    The spellings of inet_aton(3) count (`127.1`, `0x7f000001`, `2130706433`): the system's
    resolver takes them for addresses too. So does a last dot, which a proxy may take off.
    """
    host = host.removesuffix(".")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host[:1].isdigit():
        return None
    try:
        return str(ipaddress.IPv4Address(socket.inet_aton(host)))
    except (OSError, ValueError, UnicodeError):
        return None


class _Name:
    """What is known of a name. Times are the loop's."""

    __slots__ = ("addresses", "begun_s", "error", "failed_s", "found_s", "pending")

    def __init__(self) -> None:
        self.addresses: Addresses = ()
        self.found_s = 0.0
        self.error: str | None = None
        self.failed_s = 0.0  # when the last lookup ended in vain
        self.begun_s = 0.0
        self.pending: asyncio.Future[None] | None = None  # done when the lookup under way ends


class Resolver:
    """A cache of addresses before a bounded number of lookups. Belongs to one event loop."""

    def __init__(
        self, lookup: Lookup = system_lookup, now_s: Callable[[], float] | None = None
    ) -> None:
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._now_s = now_s or self._loop.time
        self._names: dict[str, _Name] = {}
        self._threads = 0
        self._suspects = 0
        self._waiting: deque[tuple[str, _Name]] = deque()
        self._waiting_suspects: deque[tuple[str, _Name]] = deque()

    async def resolve(self, host: str) -> Addresses:
        """Return the addresses of `host`, best first. Raises Unresolved.

        The caller bounds the time by cancelling: the lookup goes on for whoever asks next.
        """
        address = literal(host)
        if address is not None:
            return (address,)
        if host.rstrip(".").lower() == "localhost":
            return ("127.0.0.1", "::1")
        name = self._names.get(host)
        if name is None:
            name = self._names[host] = _Name()
        now_s = self._now_s()
        age_s = now_s - name.found_s
        if name.addresses and age_s < FRESH_S:
            return name.addresses
        self._refresh(host, name, now_s)
        if not name.addresses or age_s >= STALE_S:
            await self._ended(name, None)
        elif age_s >= REFRESHED_S:
            await self._ended(name, name.begun_s + GRACE_S - now_s)
        if not name.addresses:
            raise Unresolved(f"{host}: {name.error}" if name.error else host)
        return name.addresses

    async def _ended(self, name: _Name, wait_s: float | None) -> None:
        """Wait, at most `wait_s`, for a lookup that may be under way."""
        if name.pending is not None and (wait_s is None or wait_s > 0):
            await asyncio.wait([name.pending], timeout=wait_s)

    def _refresh(self, host: str, name: _Name, now_s: float) -> None:
        """Start a lookup unless one is under way or has just failed."""
        if name.pending is not None or (name.error and now_s - name.failed_s < NEGATIVE_S):
            return
        name.pending = self._loop.create_future()
        name.begun_s = now_s
        (self._waiting_suspects if name.error else self._waiting).append((host, name))
        self._start()

    def _start(self) -> None:
        while self._threads < THREADS_MAX:
            suspect = not self._waiting
            if not suspect:
                host, name = self._waiting.popleft()
            elif self._waiting_suspects and self._suspects < SUSPECTS_MAX:
                host, name = self._waiting_suspects.popleft()
            else:
                return
            self._threads += 1
            self._suspects += suspect
            thread = threading.Thread(
                target=self._run, args=(host, name, suspect), name="lookup", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the system gives none; it may soon
                self._settle(name, suspect, None, "no thread can be started", gone=False)

    def _run(self, host: str, name: _Name, suspect: bool) -> None:
        """Look a name up, in a thread of its own."""
        result: Addresses | None = None
        error: str | None = None
        gone = False
        try:
            result = tuple(self._lookup(host))
        except socket.gaierror as fault:
            error, gone = fault.strerror or "no answer", fault.errno in _NOWHERE
        except Exception as fault:  # noqa: BLE001 - whatever it is, it must reach who waits
            error = type(fault).__name__
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            self._loop.call_soon_threadsafe(self._found, name, suspect, result, error, gone)

    def _found(
        self, name: _Name, suspect: bool, result: Addresses | None, error: str | None, gone: bool
    ) -> None:
        self._settle(name, suspect, result, error, gone)
        self._start()

    def _settle(
        self, name: _Name, suspect: bool, result: Addresses | None, error: str | None, gone: bool
    ) -> None:
        now_s = self._now_s()
        self._threads -= 1
        self._suspects -= suspect
        if result:
            name.addresses, name.found_s, name.error = result, now_s, None
        else:
            name.failed_s, name.error = now_s, error or "it has no address"
            if gone or (name.addresses and now_s - name.found_s >= STALE_S):
                name.addresses = ()
        if name.pending is not None:
            name.pending.set_result(None)
            name.pending = None
