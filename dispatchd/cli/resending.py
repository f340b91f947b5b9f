"""Exported events to another daemon: in their order, each signed afresh, none sent twice in vain.

An event goes with what its sender called it (a delivery id among its headers), and with its id
as Idempotency-Key: an endpoint that knows duplicates by either takes none twice.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from dispatchd.alert_kinds import ALERTS
from dispatchd.cli.exported import ExportedEvent, read_exported
from dispatchd.cli.options import unknown
from dispatchd.cli.posting import Poster, Reply
from dispatchd.cli.progress import counted
from dispatchd.cli.request import Target, key_headers, signed, target_of
from dispatchd.cli.text import plural, to_json
from dispatchd.errors import DispatchdError
from dispatchd.framing import FRAMING, PROXY
from dispatchd.shapes.sent import ResentFields
from dispatchd.verify import Draft, SignedRequest

if TYPE_CHECKING:
    from dispatchd.config import Config

LATER: Final = (429, 503)
DUPLICATE: Final = 409
TRIES_MAX: Final = 8  # of an event that is to come later
WAIT_MAX_S: Final = 60.0
ID_HEADER: Final = "Idempotency-Key"
# Of the connection, or of the way that the first request came by.
_NOT_SENT: Final = FRAMING | PROXY | {"accept-encoding", "forwarded", "content-type"}


@dataclass(slots=True)
class _Progress:
    """How far it came."""

    sent: int = 0
    known: int = 0
    skipped: int = 0
    last: str | None = None
    stopped: str | None = None
    seen: bool = field(default=True)  # what --after names, where it names any

    def took(self, event: ExportedEvent, *, known: bool) -> None:
        """Count an event that the other side has."""
        self.known += known
        self.sent += not known
        self.last = event.event_id

    def fields(self) -> ResentFields:
        return {
            "sent": self.sent,
            "known": self.known,
            "skipped": self.skipped,
            "last": self.last,
            "ok": self.stopped is None,
        }


def resend(
    config: "Config",
    file: BinaryIO,
    *,
    slug: str | None,
    url: str | None,
    api_key: str | None,
    prefer_key: bool,
    after: str | None,
    dry_run: bool,
    as_json: bool,
) -> bool:
    """Send the events of an export; return whether each was taken. Tells how far it came."""
    came = _Progress(seen=after is None)

    async def batches() -> AsyncIterator[int]:
        prefix = config.header_prefix
        first = target_of(config, slug or "", url)
        async with Poster(first.unix_path, prefix) as poster:
            for event in _chosen(file, after, came):
                to = slug or event.endpoint
                made = _signed(config, to, event, api_key if prefer_key else None, api_key)
                target = _target(config, to, url, whole=slug is not None)
                reply = None
                if not dry_run:
                    reply = await _post(poster, target, made, _headers(event, made))
                    if not (reply.ok or _knew(reply)):
                        came.stopped = f"{event.event_id} to {to}: {reply.status} {reply.told()}"
                        return
                came.took(event, known=reply is not None and _knew(reply))
                yield 1

    try:
        asyncio.run(counted(batches(), "sent", "event", None))
    except (DispatchdError, click.UsageError) as error:
        message = error.format_message() if isinstance(error, click.UsageError) else str(error)
        came.stopped = message
        if not came.sent and isinstance(error, click.UsageError):
            raise
    if not came.seen:
        raise DispatchdError(f"there is no event {after} in {file.name}: nothing was sent")
    _tell(came, dry_run=dry_run, as_json=as_json)
    return came.stopped is None


def _chosen(file: BinaryIO, after: str | None, came: _Progress) -> Iterator[ExportedEvent]:
    for event in read_exported(file, file.name):
        if not came.seen or event.endpoint == ALERTS:
            came.skipped += 1
            came.seen = came.seen or event.event_id == after
        else:
            yield event


def _signed(
    config: "Config", slug: str, event: ExportedEvent, preferred_key: str | None, key: str | None
) -> SignedRequest:
    endpoint = config.endpoints.get(slug)
    if endpoint is None:
        raise click.UsageError(
            f"Event {event.event_id} is for {unknown('endpoint', slug, config.endpoints)}"
            " (in the config); name a SLUG to send all events to one."
        )
    if not endpoint.secret or preferred_key is not None:
        return SignedRequest(event.body, key_headers(endpoint, slug, key))
    draft = Draft(event.body, event.content_type)
    made = signed(config, slug, draft, token=event.event_id)
    # Where the scheme signs an id, it is the one that the sender gave.
    kept = {name.lower(): value for name, value in event.headers}
    for name, value in made.headers.items():
        if value == event.event_id and name.lower() in kept:
            return signed(config, slug, draft, token=kept[name.lower()])
    return made


def _target(config: "Config", slug: str, url: str | None, *, whole: bool) -> Target:
    """Return where to post; a URL is whole for one endpoint, else what `/hooks/` stands behind."""
    if url is not None and not whole:
        url = f"{url.rstrip('/')}/hooks/{slug}"
    return target_of(config, slug, url)


def _headers(event: ExportedEvent, made: SignedRequest) -> list[tuple[str, str]]:
    """Return the event's own headers, with those that prove it now over them."""
    over = {"Content-Type": event.content_type, **made.headers}
    without = _NOT_SENT | {name.lower() for name in over}
    kept = [
        (name, value)
        for name, value in event.headers
        if name.lower() not in without and not name.lower().startswith("x-forwarded-")
    ]
    if not any(name.lower() == ID_HEADER.lower() for name, _ in (*kept, *over.items())):
        over[ID_HEADER] = event.event_id
    return [*kept, *over.items()]


async def _post(
    poster: Poster, target: Target, made: SignedRequest, headers: list[tuple[str, str]]
) -> Reply:
    """Post an event, again and again while the other side asks for it to come later."""
    for count in range(TRIES_MAX):
        reply = await poster.post(target, made.query, headers, made.body)
        if reply.status not in LATER or count == TRIES_MAX - 1:
            break
        await asyncio.sleep(_wait_s(reply.retry_after, count))
    return reply


def _wait_s(retry_after: str | None, count: int) -> float:
    """Return the seconds until the next try, as asked within bounds, else longer each time."""
    try:
        asked_s = float(retry_after or "")
    except ValueError:
        asked_s = math.nan
    wait_s = asked_s if asked_s >= 0 else 0.5 * 2**count
    return min(wait_s, WAIT_MAX_S)


def _knew(reply: Reply) -> bool:
    """Whether the other side says that it had the event before."""
    error = reply.fields().get("error") if reply.status == DUPLICATE else None
    return isinstance(error, dict) and error.get("code") == "duplicate"


def _tell(came: _Progress, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        click.echo(to_json(came.fields()))
    else:
        known = f", {came.known:,} were known already" if came.known else ""
        skipped = f", {came.skipped:,} skipped" if came.skipped else ""
        did = "Would send" if dry_run else "Sent"
        click.echo(f"{did} {plural(came.sent, 'event')}{known}{skipped}.")
    if came.stopped is not None:
        on = f"; go on with --after {came.last}" if came.last else ""
        click.echo(f"dispatchd: stopped at {came.stopped}{on}", err=True)
