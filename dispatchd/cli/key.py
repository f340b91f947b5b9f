"""`dispatchd key`: make API keys."""

import json
import secrets
from typing import Final

import click

from dispatchd.cli import Group
from dispatchd.cli.options import json_option
from dispatchd.cli.text import to_json
from dispatchd.verify import API_KEY_PREFIX, hash_api_key

KEY_BYTES: Final = 32
NAME_MAX_CHARS: Final = 64


@click.group(cls=Group)
def command() -> None:
    """Make API keys.

    \b
    Example:
      dispatchd key new ci
    """  # noqa: D301 - click reads the backspace itself


@command.command()
@click.argument("name")
@json_option
def new(name: str, as_json: bool) -> None:
    """Make an API key called NAME: print it once, and the config line with its hash.

    Nothing is stored: give the key to the sender now, and add the line to the config.

    \b
    Example:
      dispatchd key new ci
    """  # noqa: D301 - click reads the backspace itself
    if not 0 < len(name) <= NAME_MAX_CHARS or not name.isprintable():
        raise click.BadParameter(
            f"a name is 1 to {NAME_MAX_CHARS} printable characters.", param_hint="NAME"
        )
    key = API_KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    digest = hash_api_key(key)
    # A JSON string is a YAML string: whatever the name holds, the line stays one entry.
    line = f"- {{name: {json.dumps(name)}, hash: {json.dumps(digest)}}}"
    if as_json:
        click.echo(to_json({"name": name, "key": key, "hash": digest, "config": line}))
        return
    click.echo(f"The key, shown only now:\n\n  {key}\n")
    click.echo(f"Add its hash to the config:\n\napi_keys:\n  {line}\n")
    click.echo(f"Senders use it as: Authorization: Bearer {API_KEY_PREFIX}...")
