"""Queues and what they need elsewhere in the config: the admin listener, and keys that fit."""

from typing import Any, Final

from dispatchd.config.document import Document
from dispatchd.config.problems import Path, is_misspelt, nearest, quoted, spell_path

PULL: Final = "pull"


def of_queue(key: Any) -> bool:
    """Whether an API key is a queue's, as it is written."""
    return isinstance(key, dict) and PULL in key


def check_queues(
    document: Document, admin: Any, api_keys: list[Any], destinations: dict[str, Any]
) -> None:
    """Add a problem to `document` for each queue nobody could reach, and each key of none."""
    queues = [
        name
        for name, one in destinations.items()
        if isinstance(one, dict) and one.get("type") == PULL
    ]
    if queues and admin is None and not is_misspelt("admin", document.value):
        document.add(
            ("destinations", queues[0], "type"),
            "is claimed from over the admin listener, and there is none",
            "add admin: {listen: 127.0.0.1:8081, token: ...}",
        )
    hashes: dict[str, int] = {}
    for index, key in enumerate(api_keys):
        if not isinstance(key, dict):
            continue
        path: Path = ("api_keys", index)
        if of_queue(key):
            _queue_of(document, path, key[PULL], queues, destinations)
        digest = key.get("hash")
        if not isinstance(digest, str):
            continue
        first = hashes.setdefault(digest.lower(), index)
        if first != index and (of_queue(key) or of_queue(api_keys[first])):
            document.add(
                (*path, "hash"),
                f"is that of {spell_path(('api_keys', first))} too, which opens something else",
                "make a key of its own with `dispatchd key new`",
            )


def _queue_of(
    document: Document, path: Path, name: Any, queues: list[str], destinations: dict[str, Any]
) -> None:
    if not isinstance(name, str) or name in queues:
        return
    if is_misspelt("destinations", document.value):
        return
    place = (*path, PULL)
    shown = place in document.shown
    if name in destinations:
        what = f"{quoted(name)} is" if shown else "is"
        document.add(place, f"{what} no queue", "name a destination of type: pull")
    else:
        document.add(
            place,
            f"unknown queue {quoted(name)}" if shown else "unknown queue",
            nearest(name, queues) if shown else None,
        )
