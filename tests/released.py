"""Databases as earlier daemons left them, with a backlog: see tests/store/released/make.py."""

import gzip
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent / "store" / "released"
RELEASED = sorted(int(path.name.split("-")[1].split(".")[0]) for path in HERE.glob("*.db.gz"))
EVENTS = 6  # each with a delivery to `good`, `bad`, `slow` and `down`


def unpack(schema: int, path: Path) -> Path:
    """Write the database of a schema version to `path`."""
    path.write_bytes(gzip.decompress((HERE / f"schema-{schema}.db.gz").read_bytes()))
    return path


def asked(path: Path, sql: str) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def last_received_ms(path: Path) -> int:
    """Return when (Unix ms) the last of its events came."""
    ((last_ms,),) = asked(path, "SELECT max(received_ms) FROM events")
    assert isinstance(last_ms, int)
    return last_ms
