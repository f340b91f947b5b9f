"""Keys of queues: each opens what consumers of its queue ask, and nothing else."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from dispatchd.admin.api.openapi import PREFIX
from dispatchd.admin.api.pull import OPERATIONS
from dispatchd.admin.spec import QueueKey

OPENED: Final = frozenset(PREFIX + operation.path for operation in OPERATIONS)


def key_of(given: str, keys: Sequence[QueueKey]) -> QueueKey | None:
    """Return the key that was given, in a time that tells nothing of it; None where it is none."""
    digest = hashlib.sha256(given.encode("utf-8", "replace")).digest()
    found: QueueKey | None = None
    for key in keys:  # all of them: time must not tell which one matched
        if hmac.compare_digest(key.sha256, digest) and found is None:
            found = key
    return found


def opens(key: QueueKey, request: web.Request) -> bool:
    """Whether a key opens what a request asks, by the route that will answer it."""
    found = request.match_info
    resource = found.route.resource
    return resource is not None and resource.canonical in OPENED and found.get("queue") == key.queue
