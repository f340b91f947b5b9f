"""`dispatchd backup`: copy the database while it is in use."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dispatchd.cli.options import config_option, json_option
from dispatchd.cli.storage import load_outline, opened
from dispatchd.cli.text import size, to_json
from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.config import Outline


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@config_option
@json_option
def command(file: Path, config_path: str | None, as_json: bool) -> None:
    """Copy the database to FILE while it is in use, and check the copy.

    FILE must not exist. It appears only once it is whole and has passed SQLite's integrity
    check, readable by its owner alone.

    \b
    Example:
      dispatchd backup /var/backups/dispatchd.db
    """  # noqa: D301 - click reads the backspace itself
    config = load_outline(config_path)
    if os.path.lexists(file):
        raise DispatchdError(f"{file} exists already: a backup overwrites nothing")
    size_bytes = asyncio.run(_backup(config, file))
    if as_json:
        click.echo(to_json({"file": str(file), "bytes": size_bytes}))
    else:
        click.echo(f"Wrote {file}, {size(size_bytes)}, checked.")


async def _backup(config: "Outline", file: Path) -> int:
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    async with opened(config) as store:
        try:
            await store.backup(str(part))
            _check(part)
            return _keep(part, file)
        except OSError as error:
            raise DispatchdError(f"cannot write {file}: {error.strerror}") from error
        except DispatchdError as error:
            raise DispatchdError(f"no backup was made: {error}") from error
        finally:
            part.unlink(missing_ok=True)
            part.with_name(part.name + "-journal").unlink(missing_ok=True)


def _check(part: Path) -> None:
    """Raise DispatchdError unless the copy is sound."""
    # Immutable: the check leaves no files of its own beside the copy.
    uri = f"{part.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as copy:
            verdict = str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict != "ok":
        raise DispatchdError(f"the copy is damaged, and so may be the database: {verdict}")


def _keep(part: Path, file: Path) -> int:
    """Give the finished copy its name, durably, overwriting nothing; return its size."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(part, file)
    except OSError as error:
        if os.path.lexists(file):
            raise DispatchdError(f"{file} exists already") from error
        part.rename(file)  # a file system without hard links
    directory = os.open(file.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return file.stat().st_size
