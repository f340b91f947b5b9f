"""`dispatchd key`: make API keys, and secrets to sign with."""

import json
import secrets
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli import Group
from dispatchd.cli.completing import QUEUES
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
@click.option(
    "--pull",
    "queue",
    shell_complete=QUEUES,
    metavar="QUEUE",
    help="For consumers of that queue: it opens nothing else.",
)
@json_option
def new(name: str, queue: str | None, as_json: bool) -> None:
    """Make an API key called NAME: print it once, and the config line with its hash.

    Nothing is stored: give the key to whoever uses it now, and add the line to the config. It
    is a sender's, for every endpoint; with --pull a consumer's, for that queue alone.

    \b
    Example:
      dispatchd key new ci
      dispatchd key new laptop --pull behind-nat
    """  # noqa: D301 - click reads the backspace itself
    if not 0 < len(name) <= NAME_MAX_CHARS or not name.isprintable():
        raise click.BadParameter(
            f"a name is 1 to {NAME_MAX_CHARS} printable characters.", param_hint="NAME"
        )
    if queue is not None:
        queue = _checked(queue)
    key = API_KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    digest = hash_api_key(key)
    # A JSON string is a YAML string: whatever the name holds, the line stays one entry.
    of_queue = "" if queue is None else f", pull: {json.dumps(queue)}"
    line = f"- {{name: {json.dumps(name)}, hash: {json.dumps(digest)}{of_queue}}}"
    if as_json:
        told: ApiKeyFields = {
            "name": name,
            "pull": queue,
            "key": key,
            "hash": digest,
            "config": line,
        }
        click.echo(to_json(told))
        return
    click.echo(f"The key, shown only now:\n\n  {key}\n")
    click.echo(f"Add its hash to the config:\n\napi_keys:\n  {line}\n")
    who = "Senders use it" if queue is None else f"Consumers claim from /api/v1/pull/{queue}/claim"
    click.echo(f"{who} as: Authorization: Bearer {API_KEY_PREFIX}...")


def _checked(queue: str) -> str:
    from dispatchd.config.values import check_name  # noqa: PLC0415 - not for --help

    try:
        return check_name(queue)
    except ValueError as error:
        raise click.BadParameter(f"{queue!r} {error}", param_hint="--pull") from None


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
