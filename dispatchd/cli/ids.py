"""Event ids as people give them: whole, the beginning of one, or `latest`."""

import re
import sys
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.store import Store
    from dispatchd.store.base import EventSummary

LATEST: Final = "latest"
STDIN: Final = "-"
STDIN_MAX_CHARS: Final = 100_000 * 37  # as many ids, each on its line
CANDIDATES_MAX: Final = 5  # that are named where the beginning of an id is not enough
SHORT_CHARS: Final = 13  # 01a21000-5c86: the millisecond, which tells nearly all events apart
_BEGINNING: Final = re.compile(r"[0-9a-f]{1,31}", re.ASCII)
_LAST_KEY: Final = (1 << 128) - 1


def parse_event_id(text: str) -> str:
    """Return an id's canonical spelling, the hex digits of its beginning, or `latest`."""
    lowered = text.lower()
    if lowered == LATEST:
        return LATEST
    try:
        return str(uuid.UUID(text))
    except ValueError:
        beginning = lowered.replace("-", "")
    if not _BEGINNING.fullmatch(beginning):
        raise click.BadParameter(
            f"{text!r} is no event id, nor the beginning of one, nor {LATEST!r};"
            " `dispatchd events` lists them."
        )
    return beginning


def parse_event_ids(text: str) -> str:
    """Return the same, or `-` for those on standard input."""
    return text if text == STDIN else parse_event_id(text)


def event_ids_given(given: Sequence[str]) -> tuple[str, ...]:
    """Return what was given, each once, with the ids on standard input in the place of `-`.

    They stand there between spaces or line ends. Raises BadParameter.
    """
    ids: dict[str, None] = {}
    for one in given:
        if one != STDIN:
            ids[one] = None
            continue
        text = sys.stdin.read(STDIN_MAX_CHARS + 1)
        if len(text) > STDIN_MAX_CHARS:
            raise click.BadParameter("standard input holds too much; give at most 100,000 ids.")
        ids.update(dict.fromkeys(map(parse_event_id, text.split())))
    return tuple(ids)


async def find_event_id(store: "Store", given: str) -> str:
    """Return the whole id of what `parse_event_id` gave.

    Raises DispatchdError where there is no such event, click.BadParameter where there are several.
    A whole id is returned as it is: whoever asks for it sees whether it is there.
    """
    if len(given) == len(str(uuid.UUID(int=0))):
        return given
    found = await _beginning_with(store, "" if given == LATEST else given)
    if not found:
        what = "there is no event yet" if given == LATEST else f"no event's id begins with {given}"
        raise DispatchdError(f"{what}; `dispatchd events` lists them")
    if given == LATEST or len(found) == 1:
        return found[0].id
    named = ", ".join(event.id for event in found[:CANDIDATES_MAX])
    more = ", …" if len(found) > CANDIDATES_MAX else ""
    raise click.BadParameter(f"several events' ids begin with {given}: {named}{more}")


async def _beginning_with(store: "Store", beginning: str) -> "list[EventSummary]":
    """Return the newest events whose ids begin so, one more than are named."""
    from dispatchd.store.base import EventQuery  # noqa: PLC0415 - not for --help

    # Ids are listed in their order, so those that begin alike stand together.
    last = int(beginning.ljust(32, "f"), 16)
    before_id = None if last == _LAST_KEY else str(uuid.UUID(int=last + 1))
    query = EventQuery(before_id=before_id, limit=CANDIDATES_MAX + 1)
    found = await store.find_events(query)
    return [event for event in found if event.id.replace("-", "").startswith(beginning)]


def short_ids(ids: Sequence[str]) -> list[str]:
    """Return the beginnings that tell `ids` apart, all of one length."""
    for chars in range(SHORT_CHARS, 36):
        short = [id_[:chars] for id_ in ids]
        if len(set(short)) == len(set(ids)):
            return short
    return list(ids)
