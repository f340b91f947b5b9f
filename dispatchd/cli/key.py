"""`dispatchd key`: make API keys, and secrets to sign with."""

import json
import secrets
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli import Group
from dispatchd.cli.options import json_option
from dispatchd.cli.text import to_json
from dispatchd.verify import (
    API_KEY_PREFIX,
    hash_api_key,
    private_key_text,
    signing_secret_text,
)

if TYPE_CHECKING:
    from dispatchd.shapes.told import ApiKeyFields, SigningKeyFields

KEY_BYTES: Final = 32
NAME_MAX_CHARS: Final = 64


@click.group(cls=Group)
def command() -> None:
    """Make API keys, and secrets to sign deliveries with.

    \b
    Example:
      dispatchd key new ci
      dispatchd key signing
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
        told: ApiKeyFields = {"name": name, "key": key, "hash": digest, "config": line}
        click.echo(to_json(told))
        return
    click.echo(f"The key, shown only now:\n\n  {key}\n")
    click.echo(f"Add its hash to the config:\n\napi_keys:\n  {line}\n")
    click.echo(f"Senders use it as: Authorization: Bearer {API_KEY_PREFIX}...")


@command.command()
@click.option("--ed25519", is_flag=True, help="Make a private key (v1a) and its public one.")
@json_option
def signing(*, ed25519: bool, as_json: bool) -> None:
    """Make a secret for a destination's signing_secret, and print it once.

    Nothing is stored: put it where the config reads it, and give it to the destination, which
    verifies by Standard Webhooks. Of an --ed25519 key the destination needs the public half
    alone.

    \b
    Example:
      dispatchd key signing
      dispatchd key signing --ed25519
    """  # noqa: D301 - click reads the backspace itself
    random = secrets.token_bytes(KEY_BYTES)
    if ed25519:
        secret, public = private_key_text(random)
    else:
        secret, public = signing_secret_text(random), None
    if as_json:
        told: SigningKeyFields = {"signing_secret": secret, "public_key": public}
        click.echo(to_json(told))
        return
    click.echo(f"The secret, shown only now:\n\n  {secret}\n")
    if public is None:
        click.echo("The destination verifies with the same secret.\n")
    else:
        click.echo(f"The public key, for the destination:\n\n  {public}\n")
    click.echo("Name it in the config:\n\n  signing_secret: ${SIGNING_SECRET}")
