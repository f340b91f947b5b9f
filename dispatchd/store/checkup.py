"""What a look at a store found that is not opened for it, and not changed by it."""

from dispatchd.frozen import frozen


@frozen
class Checkup:
    """Of a database: its `schema` and the one we know, and the wall clock (Unix ms) it keeps.

    `fault` is the first fault that was found, `whole` says that all was looked at, `full` that
    indexes were compared with their tables too; it took `took_s`. `size_bytes` is all of it.
    """

    schema: int
    known_schema: int
    kept_ms: int | None
    fault: str | None
    whole: bool
    full: bool
    took_s: float
    size_bytes: int
