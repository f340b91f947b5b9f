"""A look at a store beside its daemon: nothing is changed, whatever is found."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from nouns import NOW_MS, an_event

from dispatchd.errors import StoreUnusable
from dispatchd.store import check_up, served_by, store_from_url
from dispatchd.store.sqlite import checking, files
from dispatchd.store.sqlite.rows import schema
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/s.db"


async def fill(url: str, count: int, body: bytes = b"{}") -> None:
    store = store_from_url(url)
    await store.open()
    for _ in range(count):
        await store.add_event(an_event(body=body), ["crm"])
    await store.keep_time(NOW_MS)
    await store.close()


@pytest.mark.parametrize("limit_s", [60.0, None])
async def test_a_sound_one(url: str, limit_s: float | None) -> None:
    await fill(url, 3)
    found = check_up(url, limit_s)
    assert (found.schema, found.known_schema) == (SCHEMA_VERSION, SCHEMA_VERSION)
    assert (found.fault, found.whole, found.kept_ms) == (None, True, NOW_MS)
    assert found.full is (limit_s is None)


@pytest.mark.parametrize("limit_s", [60.0, None])
async def test_a_damaged_one(url: str, tmp_path: Path, limit_s: float | None) -> None:
    await fill(url, 30, b"x" * 5000)
    with (tmp_path / "s.db").open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 8 * 4096)
    found = check_up(url, limit_s)
    assert found.fault is not None
    assert "\n" not in found.fault


async def test_time_may_run_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(url, 200, bytes(50_000))
    monkeypatch.setattr(checking, "AGAIN_S", 0.0)
    for _ in range(100):  # on a busy machine the check may be through before the clock has begun
        found = check_up(url, 0.0)
        if not found.whole:
            break
    assert (found.fault, found.whole) == (None, False)


def test_another_schema_stays_as_it_is(url: str, tmp_path: Path) -> None:
    for version in (1, SCHEMA_VERSION + 1):
        path = tmp_path / "s.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(f"{schema(1)}; PRAGMA user_version = {version};")
        found = check_up(url, 60.0)
        assert (found.schema, found.kept_ms, found.fault) == (version, None, None)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version,)


def test_what_is_no_database_cannot_be_opened(url: str, tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("a letter " * 1000)
    with pytest.raises(StoreUnusable, match="cannot read"):
        check_up(url, 60.0)


async def test_who_serves_it(url: str, tmp_path: Path) -> None:
    assert served_by(url) is None
    store = store_from_url(url)
    store.lock()
    assert served_by(url) == os.getpid()
    await store.close()
    assert served_by(url) is None
    (tmp_path / "s.db.lock").unlink()
    (tmp_path / "s.db.lock").symlink_to("elsewhere")
    assert served_by(url) == 0  # somebody may, nobody can tell who
    assert files.holder(str(tmp_path / "other.db")) == 0
