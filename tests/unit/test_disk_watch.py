"""When the disk is too full for webhooks, and when it is not any more."""

import pytest
from rig import FakeClock

from dispatchd.errors import StoreUnavailable
from dispatchd.facts import DiskChanged
from dispatchd.store.health import StoreHealth
from dispatchd.store.retention import Space
from dispatchd.upkeep.disk_watch import DiskWatch, bound
from dispatchd.upkeep.spec import StorageSpec

MIB = 1024**2
GIB = 1024**3


@pytest.mark.parametrize(
    ("min_free", "total", "expected"),
    [
        (None, 100 * GIB, 256 * MIB),
        (None, 5 * GIB, 256 * MIB),
        (None, 1000 * MIB, 50 * MIB),
        (0, 100 * GIB, 0),
        (5 * GIB, 1 * GIB, 5 * GIB),
    ],
)
def test_the_bound(min_free, total, expected):
    assert bound(min_free, Space(0, total)) == expected


class Disk:
    """What the watch asks of a store."""

    def __init__(self):
        self.free = GIB

    async def space(self):
        if self.free is None:
            raise StoreUnavailable("closed", "the store is closed")
        return None if self.free < 0 else Space(self.free, 100 * GIB)


async def test_it_comes_and_goes_once():
    """At the bound and a little above nothing flickers; who cannot say changes nothing."""
    told, faults, disk = [], [], Disk()
    health = StoreHealth(faults.append)
    spec = StorageSpec(1, 1, min_free_bytes=100 * MIB)
    watch = DiskWatch(spec, disk, health, FakeClock(), told.append)
    seen = []
    for mib in (1000, 100, 99, 101, 124, 90, 125, 101, 99):
        disk.free = mib * MIB
        await watch.look()
        seen.append(health.takes)
    assert seen == [True, True, False, False, False, False, True, True, False]
    for free in (-1, None):
        disk.free = free
        await watch.look()
    assert not health.takes
    assert health.good  # deliveries go on
    assert [(fact.low, fact.free_bytes // MIB) for fact in told] == [
        *((True, 99), (False, 125), (True, 99))
    ]
    assert all(isinstance(fact, DiskChanged) for fact in told)
    watch.want(StorageSpec(1, 1, min_free_bytes=0))
    disk.free = 99 * MIB
    await watch.look()
    assert (health.takes, faults) == (True, [])
