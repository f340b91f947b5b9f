"""`dispatchd init`: a starter config with generated secrets."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

import click

from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable

SECRET_BYTES: Final = 32
MODE: Final = 0o600  # it holds a secret
DEFAULT_STORAGE: Final = "sqlite:///dispatchd.db"

STARTER: Final = """\
# dispatchd config. Every key: docs/configuration.md. Check it: dispatchd check
server:
  listen: 127.0.0.1:8080

storage:
  url: {storage}
  retention: 30d

endpoints:
  my-slug:                      # webhooks come to POST /hooks/my-slug
    secret: {secret}
    event_type_path: action
    destinations: [local]

destinations:
  local:
    url: http://127.0.0.1:9000/  # where `dispatchd catch` listens
"""


@click.command()
@click.argument("path", default="config.yaml", type=click.Path(path_type=Path))
@click.option("--storage", default=DEFAULT_STORAGE, metavar="URL", help="Where the database is.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(path: Path, storage: str, force: bool) -> None:
    """Write a starter config with generated secrets to PATH, ./config.yaml unless told.

    Only its owner may read the file. One that exists is kept, unless --force is given.

    \b
    Example:
      dispatchd init
      dispatchd init /etc/dispatchd/config.yaml \\
        --storage sqlite:////var/lib/dispatchd/dispatchd.db
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.config import ConfigProblems, parse  # noqa: PLC0415 - not for --help

    # A JSON string is a YAML string; `${` in a path is meant as it stands.
    quoted = json.dumps(storage.replace("${", "$${"))
    text = STARTER.format(storage=quoted, secret=json.dumps(secrets.token_urlsafe(SECRET_BYTES)))
    try:
        parse(text, str(path), {})
    except ConfigProblems as error:
        raise click.BadParameter(
            "; ".join(p.message for p in error.problems) + ".", param_hint="--storage"
        ) from None
    _write(path, text, force=force)
    name = printable(str(path))
    click.echo(f"Wrote {name} with a generated secret. Next:\n")
    click.echo(f"  dispatchd serve --config {name}")
    click.echo("  dispatchd catch                      # in a second terminal")
    click.echo(f"  dispatchd send my-slug --config {name}   # in a third")


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write beside and move into place: a half-written config is never there, nor readable."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(file, "w", encoding="utf-8") as stream:
                stream.write(text)
            if force:
                beside.replace(path)
            else:
                path.hardlink_to(beside)  # fails where something is, also a moment after looking
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        raise DispatchdError(
            f"{path} exists and was not touched; choose another path, or replace it with --force"
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "the path is malformed"
        raise DispatchdError(f"cannot write {path}: {why}") from None
