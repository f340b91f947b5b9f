"""`dispatchd backup`: copy the database while it is in use."""

import os
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.rotation import PART, backup_name, outlived, sweep
from dispatchd.cli.storage import load_outline, must_exist
from dispatchd.cli.text import clock_time, plural, size, to_json
from dispatchd.clock import SystemClock
from dispatchd.durable import sync_directory
from dispatchd.errors import DispatchdError
from dispatchd.frozen import frozen
from dispatchd.shapes.copies import backup_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatchd.store.copies import Contents, Copies

STREAM: Final = "-"
SECOND_MS: Final = 1000


@frozen
class Made:
    """A backup: where it is, what it holds, how long it took, and which went for it."""

    file: str
    contents: "Contents"
    took_ms: int
    deleted: "Sequence[Path]" = ()


@click.command()
@click.argument("target", type=click.Path(allow_dash=True), metavar="FILE|DIRECTORY|-")
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="N",
    help="In DIRECTORY: delete the oldest beyond N, once the new one is good.",
)
@config_option
@json_option
def command(target: str, keep: int | None, config_path: str | None, as_json: bool) -> None:
    """Copy the database while it is in use, and read the copy back.

    FILE must not exist; in a DIRECTORY the copy is named after the database and the time. It
    appears only once it is whole, synced, sound by SQLite's integrity check, and has as many
    rows of everything as the database had; readable by its owner alone. With - it goes to
    standard output, after the same checks, from a file beside the database.

    \b
    Example:
      dispatchd backup /var/backups/dispatchd.db
      dispatchd backup /var/backups/dispatchd --keep 14
      dispatchd backup - | age -r age1... | ssh backup 'cat > dispatchd.db.age'
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.store import copies_from_url  # noqa: PLC0415 - not for --help

    if keep is not None and not (target != STREAM and Path(target).is_dir()):
        raise click.UsageError("--keep needs a DIRECTORY that is there: it names what is in it.")
    if target == STREAM and as_json:
        raise click.UsageError("--json and - both want standard output.")
    if target == STREAM and sys.stdout.isatty():
        raise click.UsageError("- writes the database to standard output, no terminal's business.")
    storage = load_outline(config_path).storage
    must_exist(storage.url)
    copies = copies_from_url(storage.url)
    if target == STREAM:
        _tell_stream(_stream(copies, storage.path))
        return
    file = Path(target)
    if file.is_dir():
        file /= backup_name(storage.path, SystemClock().now_ms())
    made = _file(copies, storage.path, file, keep)
    if as_json:
        deleted = [str(path) for path in made.deleted]
        click.echo(to_json(backup_fields(made.file, made.contents, made.took_ms, deleted)))
        return
    click.echo(f"Wrote {made.file}, {_holds(made)}.")
    for path in made.deleted:
        click.echo(f"Deleted {path}.")


def _file(copies: "Copies", database: str, file: Path, keep: int | None) -> Made:
    """Make a backup at `file`, then let go of those that it outlives."""
    if os.path.lexists(file):
        raise DispatchdError(f"{file} exists already: a backup overwrites nothing")
    started_s = time.monotonic()
    sweep(file.absolute().parent)
    part = file.with_name(f"{PART}{secrets.token_hex(4)}.part")
    try:
        contents = _checked(copies, part, file)
        _keep(part, file)
    finally:
        _remove(part)
    took_ms = round((time.monotonic() - started_s) * 1000)
    deleted = []
    if keep is not None:
        for path in outlived(file.parent, database, keep, file):
            try:
                path.unlink()
            except OSError as error:
                raise DispatchdError(
                    f"wrote {file}, but cannot delete {path}: {error.strerror}"
                ) from error
            deleted.append(path)
    return Made(str(file), contents, took_ms, deleted)


def _stream(copies: "Copies", database: str) -> Made:
    """Write a backup to standard output: made beside the database, which has room and is ours."""
    started_s = time.monotonic()
    beside = Path(os.path.realpath(database))
    sweep(beside.parent)
    part = beside.with_name(f"{PART}{secrets.token_hex(4)}.part")
    try:
        contents = _checked(copies, part, part)
        # A stream of our own: with PYTHONUNBUFFERED sys.stdout's may write a part and say nothing.
        with part.open("rb") as copy, open(sys.stdout.fileno(), "wb", closefd=False) as out:
            copyfileobj(copy, out, 1024 * 1024)
    finally:
        _remove(part)
    return Made(STREAM, contents, round((time.monotonic() - started_s) * 1000))


def _checked(copies: "Copies", part: Path, file: Path) -> "Contents":
    """Make a copy and return what it holds. Raises DispatchdError."""
    try:
        return copies.make(str(part))
    except OSError as error:
        raise DispatchdError(f"cannot write {file}: {error.strerror}") from error
    except DispatchdError as error:
        said = str(error).replace(str(part), "the copy")
        raise DispatchdError(f"no backup was made: {said}") from error


def _keep(part: Path, file: Path) -> None:
    """Give the finished copy its name, durably, overwriting nothing."""
    try:
        os.link(part, file)
    except OSError as error:
        if os.path.lexists(file):
            raise DispatchdError(f"{file} exists already") from error
        part.rename(file)  # a file system without hard links
    sync_directory(str(file.absolute().parent))


def _remove(part: Path) -> None:
    for end in ("", "-journal", "-wal", "-shm"):
        with suppress(OSError):
            os.unlink(f"{part}{end}")  # noqa: PTH108 - a name with an end


def _holds(made: Made) -> str:
    contents, took_ms = made.contents, made.took_ms
    took = f"{took_ms} ms" if took_ms < SECOND_MS else f"{took_ms / 1000:.1f} s"
    newest_ms = contents.newest_ms
    return (
        f"{size(contents.size_bytes)} in {took}:"
        f" {plural(contents.events, 'event')}, {plural(contents.deliveries, 'delivery')},"
        f" {contents.owed:,} of them owed; read back and checked"
        + ("" if newest_ms is None else f"; the last event came {clock_time(newest_ms)}")
    )


def _tell_stream(made: Made) -> None:
    click.echo(f"Wrote {_holds(made)}.", err=True)
