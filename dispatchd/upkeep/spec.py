"""What a config says of keeping the database in shape: plain data."""

from dispatchd.frozen import frozen


@frozen
class StorageSpec:
    """How long history is kept, and how much disk stays free.

    `events_ms` and `failed_ms` are ages: of events, and of those of which a delivery failed for
    good. `max_bytes` bounds what is in use, None without a bound. `min_free_bytes` is None where
    the size of the file system decides.
    """

    events_ms: int
    failed_ms: int
    max_bytes: int | None = None
    min_free_bytes: int | None = None
    backup_before_upgrade: bool = True
