"""Names to addresses, where some zones are dead: a lookup that blocks, and time by hand."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from patience import HANG_S

from dispatchd.send.classify import Unresolved
from dispatchd.send.resolver import (
    FRESH_S,
    NEGATIVE_S,
    REFRESHED_S,
    STALE_S,
    SUSPECTS_MAX,
    Resolver,
    literal,
)


class Zones:
    """A lookup whose names answer, fail or hang as a test says."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, ...] | Exception] = {}
        self.hanging: set[str] = set()
        self.asked: list[str] = []
        self.time_s = 1000.0
        self._go_on = threading.Event()
        self._asked = threading.Condition()

    def __call__(self, host: str) -> tuple[str, ...]:
        with self._asked:
            self.asked.append(host)
            self._asked.notify_all()
        if host in self.hanging:
            self._go_on.wait(20)
        answer = self.answers.get(host, socket.gaierror(socket.EAI_AGAIN, "try again"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def now_s(self) -> float:
        return self.time_s

    def wake(self) -> None:
        self._go_on.set()

    async def until_asked(self, count: int) -> None:
        def wait() -> bool:
            with self._asked:
                return self._asked.wait_for(lambda: len(self.asked) >= count, HANG_S)

        assert await asyncio.to_thread(wait)


@pytest.fixture
def zones() -> Iterator[Zones]:
    zones = Zones()
    yield zones
    zones.wake()


@pytest.fixture
async def resolver(zones: Zones) -> Resolver:
    return Resolver(zones, zones.now_s)


async def ended(resolver: Resolver, host: str) -> None:
    pending = resolver._names[host].pending
    if pending is not None:
        await asyncio.wait([pending])


async def test_dead_zones_stall_nobody(zones: Zones, resolver: Resolver) -> None:
    dead = [f"dead-{number}.example" for number in range(100)]
    zones.hanging |= set(dead)
    zones.answers["alive.example"] = ("192.0.2.1",)
    waiting = [asyncio.create_task(resolver.resolve(host)) for host in dead for _ in range(3)]
    await zones.until_asked(100)
    assert await resolver.resolve("alive.example") == ("192.0.2.1",)
    assert sorted(zones.asked) == sorted([*dead, "alive.example"])  # one lookup a name
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await resolver.resolve("alive.example") == ("192.0.2.1",)


async def test_names_that_failed_get_few_places(zones: Zones, resolver: Resolver) -> None:
    dead = [f"dead-{number}.example" for number in range(40)]
    for host in dead:
        with pytest.raises(Unresolved):
            await resolver.resolve(host)
    zones.asked.clear()
    zones.hanging |= set(dead)
    zones.answers["new.example"] = ("192.0.2.1",)
    zones.time_s += NEGATIVE_S + 1
    waiting = [asyncio.create_task(resolver.resolve(host)) for host in dead]
    await zones.until_asked(SUSPECTS_MAX)
    assert await resolver.resolve("new.example") == ("192.0.2.1",)
    assert len(zones.asked) == SUSPECTS_MAX + 1
    zones.wake()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, Unresolved)
    assert len(zones.asked) == len(dead) + 1


async def test_a_stale_answer_serves_while_a_fresh_one_is_fetched(
    zones: Zones, resolver: Resolver
) -> None:
    zones.answers["h"] = ("192.0.2.1",)
    assert await resolver.resolve("h") == ("192.0.2.1",)
    zones.answers["h"] = ("192.0.2.2",)
    zones.time_s += FRESH_S - 1
    assert await resolver.resolve("h") == ("192.0.2.1",)
    assert zones.asked == ["h"]
    zones.time_s += 2
    assert await resolver.resolve("h") == ("192.0.2.1",)
    await ended(resolver, "h")
    assert await resolver.resolve("h") == ("192.0.2.2",)


async def test_a_change_is_seen_within_a_minute_by_who_asks_seldom(
    zones: Zones, resolver: Resolver
) -> None:
    zones.answers["h"] = ("192.0.2.1",)
    await resolver.resolve("h")
    zones.answers["h"] = ("192.0.2.2",)
    zones.time_s += REFRESHED_S
    assert await resolver.resolve("h") == ("192.0.2.2",)


async def test_a_stale_answer_serves_while_the_zone_is_dead(
    zones: Zones, resolver: Resolver
) -> None:
    zones.answers["h"] = ("192.0.2.1",)
    await resolver.resolve("h")
    zones.hanging.add("h")
    zones.time_s += REFRESHED_S + 1
    refreshing = asyncio.create_task(resolver.resolve("h"))
    await zones.until_asked(2)
    zones.time_s += 10
    assert await resolver.resolve("h") == ("192.0.2.1",)  # the grace is over: it waits no more
    del zones.answers["h"]
    zones.wake()
    assert await refreshing == ("192.0.2.1",)
    assert await resolver.resolve("h") == ("192.0.2.1",)  # the refresh failed
    zones.time_s += STALE_S
    with pytest.raises(Unresolved):
        await resolver.resolve("h")


async def test_a_name_that_is_gone_is_gone_at_once(zones: Zones, resolver: Resolver) -> None:
    zones.answers["h"] = ("192.0.2.1",)
    await resolver.resolve("h")
    zones.answers["h"] = socket.gaierror(socket.EAI_NONAME, "no such name")
    zones.time_s += REFRESHED_S
    with pytest.raises(Unresolved):
        await resolver.resolve("h")
    zones.answers["h"] = ("192.0.2.2",)
    with pytest.raises(Unresolved):  # not asked for again so soon
        await resolver.resolve("h")
    assert len(zones.asked) == 2
    zones.time_s += NEGATIVE_S
    assert await resolver.resolve("h") == ("192.0.2.2",)


@pytest.mark.parametrize("fault", [OSError(), UnicodeError(), ValueError(), MemoryError()])
async def test_whatever_a_lookup_raises_reaches_who_waits(
    zones: Zones, resolver: Resolver, fault: Exception
) -> None:
    zones.answers["h"] = fault
    with pytest.raises(Unresolved):
        await resolver.resolve("h")


async def test_a_system_without_threads_kills_no_name(
    zones: Zones, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookup that could not begin was waited for until the daemon's end."""
    zones.answers["h"] = ("192.0.2.1",)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "lookup":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for host in ("h", "other"):
            with pytest.raises(Unresolved, match="thread"):
                await resolver.resolve(host)
    zones.time_s += NEGATIVE_S
    async with asyncio.timeout(HANG_S):
        assert await resolver.resolve("h") == ("192.0.2.1",)


async def test_addresses_and_localhost_need_no_lookup(zones: Zones, resolver: Resolver) -> None:
    assert await resolver.resolve("192.0.2.7") == ("192.0.2.7",)
    assert await resolver.resolve("2001:db8::1") == ("2001:db8::1",)
    assert await resolver.resolve("localhost") == ("127.0.0.1", "::1")
    assert await resolver.resolve("localhost.") == ("127.0.0.1", "::1")
    assert zones.asked == []


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0xa9fea9fe.", "169.254.169.254"),
        ("a.", None),
        ("1.example", None),
        ("a.b", None),
        ("4294967296", None),
    ],
)
def test_odd_spellings_are_addresses(host: str, address: str | None) -> None:
    assert literal(host) == address
