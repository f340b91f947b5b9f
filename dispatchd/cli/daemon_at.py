"""Which daemon a command speaks to over its API, and by which token."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.remote.daemon import DaemonAt

TOKEN_VARIABLE: Final = "DISPATCHD_ADMIN_TOKEN"  # noqa: S105 - a name
TOKEN_MAX_BYTES: Final = 64 * 1024
_ANY_HOST: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a comparison

url_option = click.option(
    "--url",
    metavar="URL",
    help="The admin listener of a daemon elsewhere: https://HOST:PORT or unix:/PATH.",
)
token_file_option = click.option(
    "--token-file",
    type=click.Path(),
    metavar="FILE",
    help=f"A file with its token; else ${TOKEN_VARIABLE}. Never the token itself.",
)


def find_daemon(config_path: str | None, url: str | None, token_file: str | None) -> "DaemonAt":
    """Return the daemon at `url`, else that of the config.

    Raises click.UsageError, or DispatchdError for what is wrong with the config or the file.
    """
    from dispatchd.remote.daemon import DaemonAt  # noqa: PLC0415 - not for --help

    token = _token(token_file)
    if url is not None:
        address, unix_path = _address(url)
        return DaemonAt(address, token, unix_path)
    from dispatchd.config import find_config, load_admin  # noqa: PLC0415 - likewise

    path = find_config(config_path)
    admin = load_admin(path)
    if admin is None:
        raise click.UsageError(
            f"{path} has no `admin` section, so its daemon has no API: add one, or use --url."
        )
    if token is None and admin.token is not None:
        token = admin.token.get_secret_value()
    listen = admin.listen
    if listen.path is not None:
        return DaemonAt("http://localhost", token, listen.path)
    if listen.port == 0:
        raise click.UsageError("admin.listen has port 0, which the system chooses: use --url.")
    host = _ANY_HOST.get(listen.host, listen.host)
    return DaemonAt(f"http://{f'[{host}]' if ':' in host else host}:{listen.port}", token)


def is_exposed(daemon: "DaemonAt") -> bool:
    """Whether the token would cross a network as it is."""
    parts = urlsplit(daemon.url)
    if daemon.token is None or daemon.unix_path is not None or parts.scheme == "https":
        return False
    from dispatchd.model import Listen  # noqa: PLC0415 - not for --help

    return not Listen(parts.hostname or "").is_loopback


def _address(url: str) -> tuple[str, str | None]:
    scheme, _, path = url.partition(":")
    if scheme == "unix" and path:
        return "http://localhost", path
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not known or parts.username is not None or parts.query or parts.fragment:
        raise click.BadParameter(
            f"{url!r} is no address of an admin listener; write https://hooks.example.com:8081.",
            param_hint="--url",
        )
    return url.rstrip("/"), None


def _token(token_file: str | None) -> str | None:
    if token_file is None:
        return _checked(os.environ.get(TOKEN_VARIABLE) or None, f"${TOKEN_VARIABLE}")
    try:
        with Path(token_file).open("rb") as file:
            text = file.read(TOKEN_MAX_BYTES).decode()
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise DispatchdError(f"cannot read {token_file}: {error.strerror}") from None
    token = text.strip()
    if not token:
        raise DispatchdError(f"{token_file} is empty: it holds the token")
    return _checked(token, token_file)


def _checked(token: str | None, where: str) -> str | None:
    if token is not None and not (token.isascii() and token.isprintable()):
        raise DispatchdError(f"{where} holds characters that no token has")
    return token
