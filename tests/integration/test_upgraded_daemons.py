"""A daemon over the database of an earlier one: what that owed is delivered."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from released import EVENTS, RELEASED, asked, last_received_ms, unpack
from rig import BODY, SECRET, FakeClock, Sink, StartDaemon

from dispatchd.errors import StoreUnusable
from dispatchd.store.sqlite.upgrade import SCHEMA_VERSION

CONFIG = f"""
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [good, bad, slow, down]}}
destinations:
  good: {{url: 'SINK/good'}}
  bad: {{url: 'SINK/bad', retry: {{max_attempts: 1}}}}
  slow: {{url: 'SINK/slow'}}
  down: {{url: 'SINK/down'}}
"""


def a_clock(path: Path) -> FakeClock:
    """A day after its last event: what was to be tried again is due."""
    clock = FakeClock()
    clock.wall_ms = last_received_ms(path) + 86_400_000
    return clock


@pytest.mark.parametrize("schema", RELEASED)
async def test_the_backlog_of_every_schema_is_delivered_once(
    schema: int, start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    path = unpack(schema, tmp_path / "dispatchd.db")
    arrived: Counter[tuple[str, bytes]] = Counter()

    async def answer(request: web.Request, _count: int) -> web.Response:
        arrived[request.path, await request.read()] += 1
        return web.Response()

    sink.answer = answer
    owed = asked(path, "SELECT body FROM events ORDER BY seq")
    daemon = await start_daemon(CONFIG.replace("SINK", sink.url[:-1]), clock=a_clock(path))
    await daemon.log.wait_for("attempt", 2 * EVENTS, result="success")
    assert arrived == {(to, body): 1 for to in ("/slow", "/down") for (body,) in owed}
    assert [line["number"] for line in daemon.log.of("attempt", destination="down")] == [2] * EVENTS
    fresh = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", 4, event_id=fresh)
    told = [line["doing"] for line in daemon.log.of("upgrade")]
    assert told == ([] if schema == SCHEMA_VERSION else ["copy", "check", "change", "done"])
    owing = "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'retrying')"
    assert asked(path, owing) == [(0,)]


async def test_a_daemon_that_may_not_copy_says_so_and_changes_nothing(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    path = unpack(1, tmp_path / "dispatchd.db")
    (tmp_path / "dispatchd.db.schema-1.backup.part").mkdir()
    config = CONFIG.replace("SINK", sink.url[:-1])
    with pytest.raises(StoreUnusable, match=r"set `storage: \{backup_before_upgrade: false\}`"):
        await start_daemon(config, clock=a_clock(path))
    assert asked(path, "PRAGMA user_version") == [(1,)]
    storage = f"storage: {{url: 'sqlite:///{path}', backup_before_upgrade: false}}\n"
    daemon = await start_daemon(config + storage, clock=a_clock(path))
    await daemon.log.wait_for("attempt", 2 * EVENTS, result="success")


def test_a_large_database_is_told_of_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part goes on telling: systemd would end a start that says nothing for long."""
    from dispatchd.store.sqlite import upgrade as module  # noqa: PLC0415 - to change its pace

    path = unpack(1, tmp_path / "dispatchd.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " INSERT INTO events SELECT 1000 + i, randomblob(16), endpoint, endpoint_id,"
            " unixepoch() * 1000, event_type, source_ip, status, filtered_by, content_type, auth,"
            " headers, randomblob(300) FROM n, (SELECT * FROM events LIMIT 1)"
        )
        connection.commit()
    monkeypatch.setattr(module, "TELL_EVERY_S", 0.0)
    monkeypatch.setattr(module, "LOOK_STEPS", 1000)
    steps: list[tuple[str, int | None]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        module.upgrade(connection, str(path), tell=lambda s: steps.append((s.doing, s.percent)))
    for doing in ("copy", "check", "change"):
        assert len([step for step in steps if step[0] == doing]) > 2, doing
    percents = [percent for doing, percent in steps if doing == "copy" and percent is not None]
    assert (percents == sorted(percents), percents[-1]) == (True, 100)
