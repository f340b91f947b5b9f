"""`dispatchd alerts`: what has been told, what is to be told, and whether it arrives."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.completing import DESTINATIONS
from dispatchd.cli.ids import short_ids
from dispatchd.cli.lanes import known_lane
from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.tables import Column, draw
from dispatchd.cli.text import distance, say, to_json
from dispatchd.clock import SystemClock
from dispatchd.shapes.spelling import iso_or_none
from dispatchd.shapes.told import AlertFields

if TYPE_CHECKING:
    from dispatchd.config import Outline
    from dispatchd.store.alerts import AlertNote

COLUMNS: Final = (
    Column("ALERT", whole=True),
    Column("ABOUT"),
    Column("TO"),
    Column("NOW", whole=True),
    Column("TOLD", whole=True, right=True),
    Column("LAST", whole=True),
    Column("UNTOLD", whole=True, right=True),
    Column("EVENT", whole=True),
)


@click.group(invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@config_option
@click.option("--all", "show_all", is_flag=True, help="Also what never happened yet.")
@json_option
@click.pass_context
def command(ctx: click.Context, config_path: str | None, *, show_all: bool, as_json: bool) -> None:
    """List alerts: what has been told to whom, when, and what waits for its window to end.

    NOW is `on` while what it tells of lasts, UNTOLD what happened since the last. That one is an
    EVENT like any other: `dispatchd show` tells what became of it.

    \b
    Example:
      dispatchd alerts
      dispatchd alerts test ops-mail
    """  # noqa: D301 - click reads the backspace itself
    if ctx.invoked_subcommand is not None:
        return
    notes = asyncio.run(_notes(load_outline(config_path)))
    shown = [note for note in notes if show_all or note.alerts or note.pending or note.active]
    if as_json:
        click.echo(to_json([_fields(note) for note in shown]))
    elif shown:
        now_ms = SystemClock().now_ms()
        ids = short_ids([note.event_id or "-" for note in shown])
        draw(COLUMNS, [_row(note, id_, now_ms) for note, id_ in zip(shown, ids, strict=True)])
    elif notes:
        click.echo(f"Nothing has happened yet: {len(notes)} watched, with --all they are listed.")
    else:
        click.echo("No alerts: the config has none, or the daemon has not started with them yet.")


@command.command("test")
@click.argument("name", shell_complete=DESTINATIONS)
@config_option
def try_out(name: str, config_path: str | None) -> None:
    """Send a test alert to a destination, as a delivery like any other.

    A running daemon sends it within a second.

    \b
    Example:
      dispatchd alerts test ops-mail
    """  # noqa: D301 - click reads the backspace itself
    event_id, served = asyncio.run(_try_out(load_outline(config_path), name))
    when = "is on its way" if served else "waits for the daemon, which is not running"
    say(f"A test alert to {name} {when}.")
    click.echo(f"dispatchd show {event_id}")


async def _notes(config: "Outline") -> Sequence["AlertNote"]:
    async with opened(config) as store:
        notes = await store.alert_notes()
    return sorted(notes, key=lambda note: (note.to, note.kind, note.subject))


async def _try_out(config: "Outline", name: str) -> tuple[str, bool]:
    from dispatchd.alert.wording import alert_event, check_body  # noqa: PLC0415 - not for --help
    from dispatchd.clock import new_id  # noqa: PLC0415 - likewise

    async with opened(config) as store:
        await known_lane(config, store, name)
        now_ms = SystemClock().now_ms()
        event = alert_event(new_id(), "test", check_body(name, now_ms), now_ms)
        await store.add_event(event, [name])
        return event.id, store.served()


def _row(note: "AlertNote", event_id: str, now_ms: int) -> tuple[str, ...]:
    return (
        note.kind.value,
        note.subject or "-",
        note.to,
        "on" if note.active else "-",
        f"{note.alerts:,}",
        "-" if note.told_ms is None else distance(note.told_ms, now_ms),
        f"{note.pending:,}",
        event_id,
    )


def _fields(note: "AlertNote") -> AlertFields:
    return {
        "kind": note.kind.value,
        "about": note.subject or None,
        "to": note.to,
        "active": note.active,
        "told": note.alerts,
        "last_told": iso_or_none(note.told_ms),
        "pending": note.pending,
        "pending_since": iso_or_none(note.since_ms),
        "event_id": note.event_id,
    }
