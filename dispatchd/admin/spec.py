"""The admin listener as plain data."""

from dataclasses import field

from dispatchd.frozen import frozen
from dispatchd.model import Listen


@frozen
class QueueKey:
    """A key that opens one queue to consumers, and nothing else; kept as its digest."""

    name: str
    sha256: bytes
    queue: str


@frozen
class AdminSpec:
    """Where it listens, what it asks for, and what it tells of the config.

    `config` and `endpoints` are JSON, made while the config was at hand: all of it with its
    secrets starred, and what each endpoint expects of its senders. `fingerprint` is another where
    any value of the config is.
    """

    listen: Listen
    token: bytes | None = field(repr=False)
    fingerprint: str
    config: bytes
    endpoints: bytes
    queue_keys: tuple[QueueKey, ...] = ()
