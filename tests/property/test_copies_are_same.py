"""Whatever is in a database, its backup, restored, is the same to the last byte."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from nouns import an_attempt, an_event

from dispatchd.model import Dead, Delivered, RetryAt, Verdict
from dispatchd.store.sqlite import SqliteStore
from dispatchd.store.sqlite.copies import SqliteCopies

VERDICTS: list[Verdict | None] = [None, Delivered(), Dead(), RetryAt(1)]
EVENTS = st.lists(
    st.tuples(
        st.binary(max_size=20_000),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        st.sampled_from(VERDICTS),
    ),
    max_size=25,
)


async def fill(path: Path, events: list[tuple[bytes, str, Verdict | None]]) -> None:
    store = SqliteStore(str(path))
    await store.open()
    try:
        for body, name, verdict in events:
            event = an_event(body=body, event_type=name, headers=((name or "x", name),))
            (delivery,) = await store.add_event(event, ["crm"], claim=["crm"])
            if verdict is None:
                store.release(delivery)
            else:
                await store.record(delivery, an_attempt(delivery), verdict)
    finally:
        await store.close()


def dump(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        ).fetchall()
        whole = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
        return whole | {"": connection.execute("PRAGMA user_version").fetchall()}


@given(before=EVENTS, since=EVENTS)
@settings(max_examples=25, deadline=None)
def test_what_is_restored_is_what_was_backed_up(
    before: list[tuple[bytes, str, Verdict | None]], since: list[tuple[bytes, str, Verdict | None]]
) -> None:
    with TemporaryDirectory() as folder:
        path, copy = Path(folder, "s.db"), Path(folder, "copy.db")
        copies = SqliteCopies(str(path))
        asyncio.run(fill(path, before))
        then = dump(path)
        contents = copies.make(str(copy))
        assert contents.events == len(before)
        assert dump(copy) == then
        asyncio.run(fill(path, since))
        later = dump(path)
        restored = copies.restore(str(copy))
        assert dump(path) == then
        assert restored.kept_alone == len(since)
        assert dump(Path(restored.kept or "")) == later
