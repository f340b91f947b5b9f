"""`dispatchd restore`: put a backup in the database's place."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline
from dispatchd.cli.text import clock_time, distance, plural, say, size, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import AlreadyRunning, DispatchdError
from dispatchd.shapes.copies import restore_fields

if TYPE_CHECKING:
    from dispatchd.store.copies import Contents, Restored


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@config_option
@json_option
def command(file: Path, config_path: str | None, as_json: bool) -> None:
    """Put a copy of the backup FILE in the database's place, and keep what was there.

    The daemon must be stopped. FILE is checked first: that it is sound, dispatchd's, and of no
    newer schema than this dispatchd knows. What was there gets another name beside it. Whatever
    happens meanwhile, the database is the old one or the new one, whole.

    \b
    Example:
      dispatchd restore /var/backups/dispatchd/dispatchd-2026-01-31T030000.000Z.db
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store import copies_from_url  # noqa: PLC0415 - not for --help

    storage = load_outline(config_path).storage
    try:
        restored = copies_from_url(storage.url).restore(str(file))
    except AlreadyRunning as error:
        raise DispatchdError(f"nothing was restored: {error}; stop it first") from error
    except DispatchdError as error:
        raise DispatchdError(f"nothing was restored: {error}") from error
    except OSError as error:
        name = error.filename or storage.path
        raise DispatchdError(f"nothing was restored: {name}: {error.strerror}") from error
    if as_json:
        click.echo(to_json(restore_fields(storage.path, str(file), restored)))
    else:
        _print(storage.path, file, restored)


def _print(path: str, file: Path, restored: "Restored") -> None:
    contents = restored.contents
    say(f"Restored {path} from {file}, {size(contents.size_bytes)}, checked.")
    held = f"{plural(contents.events, 'event')} and {plural(contents.deliveries, 'delivery')}"
    say(f"It holds {held}, {contents.owed:,} of them owed{_newest(contents)}.")
    if contents.schema < contents.known_schema:
        say(
            f"Its schema is version {contents.schema}: the next start brings it to"
            f" {contents.known_schema}."
        )
    if restored.kept is None:
        say("There was no database in its place.")
    else:
        say(f"What was there is kept as {restored.kept}{_alone(restored)}.")
    say(
        "At the next start what was delivered since the backup is delivered again, with the same"
        " event ids."
    )


def _newest(contents: "Contents") -> str:
    if contents.newest_ms is None:
        return ""
    ago = distance(contents.newest_ms, SystemClock().now_ms())
    return f"; the last event came {clock_time(contents.newest_ms)} ({ago})"


def _alone(restored: "Restored") -> str:
    if restored.kept_alone is None:
        return "; what it has beyond the backup could not be counted"
    if restored.kept_alone == 0:
        return "; it has no event that the backup has not"
    events = plural(restored.kept_alone, "event")
    return f", with {events} that the backup has not"
