"""`dispatchd show`: one event's whole story."""

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.completing import latest
from dispatchd.cli.ids import parse_event_id
from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline
from dispatchd.cli.story import get_story
from dispatchd.cli.text import (
    body_text,
    clock_time,
    distance,
    plural,
    say_long,
    size,
    to_json,
)
from dispatchd.clock import SystemClock
from dispatchd.model import DeliveryStatus
from dispatchd.shapes.event import ENDED, story_fields
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.model import Attempt, Delivery
    from dispatchd.store.base import EventStory

BODY_PREVIEW_BYTES: Final = 1024
RESPONSE_PREVIEW_BYTES: Final = 200


@click.command()
@click.argument("event_id", type=parse_event_id, shell_complete=latest)
@config_option
@click.option("--body", "only_body", is_flag=True, help="Print the body alone, byte for byte.")
@json_option
def command(event_id: str, config_path: str | None, only_body: bool, as_json: bool) -> None:
    """Tell one event's whole story: what came, where it goes, every attempt.

    EVENT_ID may also be the beginning of one, or `latest`. --body writes the bytes as they came;
    on a terminal, control characters are escaped.

    \b
    Example:
      dispatchd show latest
      dispatchd show 0198c0de-0000-7000-8000-000000000001 --body > body.json
    """  # noqa: D301 - click reads the backspace itself
    if only_body and as_json:
        raise click.UsageError("--body and --json exclude each other; --json holds the body.")
    story = asyncio.run(get_story(load_outline(config_path), event_id))
    if only_body:
        _print_body(story.event.body)
    elif as_json:
        click.echo(to_json(story_fields(story)))
    else:
        say_long("\n".join(_lines(story, SystemClock().now_ms())))


def _print_body(body: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(body_text(body))
    else:
        click.echo(body, nl=False)


# For people


def _lines(story: "EventStory", now_ms: int) -> Iterator[str]:
    event = story.event
    yield f"Event     {event.id}"
    yield f"Received  {clock_time(event.received_ms)} ({distance(event.received_ms, now_ms)})"
    yield f"Endpoint  {printable(event.endpoint)} ({event.endpoint_id})"
    yield f"Type      {'-' if event.event_type is None else printable(event.event_type)}"
    by = "" if event.filtered_by is None else f" by {printable(event.filtered_by)}"
    yield f"Status    {event.status.value}{by}"
    yield f"From      {'-' if event.source_ip is None else printable(event.source_ip)}"
    yield f"Verified  {'-' if event.auth is None else 'by ' + printable(event.auth)}"
    yield f"Headers   {len(event.headers) or 'none'}"
    for name, value in event.headers:
        yield f"  {printable(name)}: {printable(value)}"
    yield f"Body      {size(len(event.body))}, {printable(event.content_type)}"
    yield from _indented(_preview(event.body, BODY_PREVIEW_BYTES, "; --body prints all"), "  ")
    if not story.deliveries:
        yield ""
        yield "No deliveries."
    for delivery in story.deliveries:
        yield ""
        yield from _delivery_lines(story, delivery, now_ms)


def _delivery_lines(story: "EventStory", delivery: "Delivery", now_ms: int) -> Iterator[str]:
    replays = f", {plural(delivery.replays, 'replay')}" if delivery.replays else ""
    yield (
        f"Delivery to {printable(delivery.destination)}: {delivery.status.value},"
        f" {plural(delivery.attempts, 'attempt')}{replays}"
    )
    if delivery.rule is not None:
        yield f"  by rule {printable(delivery.rule)}"
    if delivery.status is DeliveryStatus.HELD:
        yield f"  held: {printable(story.held[delivery.destination])}"
    elif delivery.destination in story.leased:
        until_ms = story.leased[delivery.destination]
        yield f"  with its consumer until {clock_time(until_ms)} ({distance(until_ms, now_ms)})"
    elif delivery.status not in ENDED:
        yield f"  due {clock_time(delivery.due_ms)} ({distance(delivery.due_ms, now_ms)})"
    for attempt in story.attempts:
        if attempt.destination == delivery.destination:
            yield from _attempt_lines(attempt)


def _attempt_lines(attempt: "Attempt") -> Iterator[str]:
    result = (
        " ".join(
            str(part)
            for part in (attempt.status_code, attempt.error and attempt.error.value)
            if part is not None
        )
        or "success"
    )  # of a queue: its consumers answer with no code
    yield (
        f"  #{attempt.number}  {clock_time(attempt.started_ms)}  {result}"
        f"  {attempt.latency_ms:,.1f} ms"
    )
    if attempt.message:
        yield f"      {printable(attempt.message)}"
    if attempt.transform is not None:
        yield f"      transform: {printable(attempt.transform)}"
    if attempt.template is not None:
        yield f"      template: {printable(attempt.template)}"
    if attempt.response_head:
        preview = _preview(attempt.response_head, RESPONSE_PREVIEW_BYTES, "; --json holds more")
        yield from _indented("response: " + preview, "      ")


def _preview(data: bytes, most_bytes: int, rest: str) -> str:
    """Return the beginning of `data`, cut between characters."""
    if len(data) <= most_bytes:
        return body_text(data)
    # A character cut in half at the end is not the sender's fault: leave it out.
    start = data[:most_bytes]
    for cut in range(1, 4):
        if len(start) >= cut and start[-cut] >= 0xC0:  # noqa: PLR2004 - the first byte of several
            start = start[:-cut]
            break
    return f"{body_text(start)}\n… {plural(len(data) - len(start), 'byte')} more{rest}"


def _indented(text: str, indent: str) -> Iterator[str]:
    text = text.removesuffix("\n")
    return (indent + line for line in text.split("\n")) if text else iter(())
