"""The store as commands use it: beside a daemon that may be up or down, never creating one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.config import Config, Outline
    from dispatchd.store import Store
    from dispatchd.store.upgrade import UpgradeStep

# A command waits where the daemon would rather answer 503: long batches of a prune or replay
# and another process's transaction pass within it.
BUSY_TIMEOUT_MS: Final = 15_000


def load_config(config_path: str | None) -> "Config":
    """Find and read the config. Raises DispatchdError with every problem in it."""
    from dispatchd.config import find_config, load  # noqa: PLC0415 - not for --help

    return load(find_config(config_path))


def load_outline(config_path: str | None) -> "Outline":
    """Find the config and read what needs no secret of it. Raises DispatchdError."""
    from dispatchd.config import find_config, load_outline  # noqa: PLC0415 - not for --help

    return load_outline(find_config(config_path))


@asynccontextmanager
async def opened(config: "Config | Outline") -> AsyncIterator["Store"]:
    """Open the store of `config`, which must exist. Raises DispatchdError."""
    from dispatchd.store import store_from_url  # noqa: PLC0415 - not for --help

    url = config.storage.url
    must_exist(url)
    store = store_from_url(url, busy_timeout_ms=BUSY_TIMEOUT_MS)
    backup = config.storage.backup_before_upgrade
    await store.open(backup=backup, tell=_tell_upgrade)
    try:
        yield store
    finally:
        await store.close()


def _tell_upgrade(step: "UpgradeStep") -> None:
    """Say on standard error what else a command of a new version does."""
    if step.doing == "done":
        copy = f", a copy from before is {step.backup}" if step.backup else ""
        said = f"Upgraded the database from schema version {step.before} to {step.after}{copy}."
        click.echo(said, err=True)


def must_exist(url: str) -> None:
    """Refuse a missing database: a mistyped path must not look like an empty history."""
    scheme, _, name = url.partition(":///")
    if scheme != "sqlite":
        return
    path = Path(name)
    try:
        empty = path.stat().st_size == 0
    except FileNotFoundError:
        raise DispatchdError(
            f"there is no database {name}: `dispatchd serve` creates it;"
            " is storage.url right, and is this the config that the daemon runs with?"
        ) from None
    except OSError as error:
        raise DispatchdError(f"cannot open {name}: {error.strerror}") from error
    if empty:
        raise DispatchdError(f"the database {name} is empty: `dispatchd serve` fills it")
