"""What a shell completes beside commands and options: the names that stand in the config."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import click
from click.shell_completion import CompletionItem

from dispatchd.errors import DispatchdError

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def names_of(section: str, kind: str | None = None) -> Complete:
    """Complete the names of a section of the config: `endpoints`, `destinations`, `templates`.

    With `kind`, those of that type.
    """

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return matching(_names(ctx, section, kind), incomplete)

    return complete


def matching(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return those that go on as was begun. A name of several lines is nothing to complete."""
    return [
        CompletionItem(name) for name in names if name.startswith(incomplete) and name.isprintable()
    ]


def endpoint_or_latest(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete `latest`, and the endpoints of the config."""
    return matching(["latest", *_names(ctx, "endpoints")], incomplete)


def latest(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the one event id that has a name."""
    return matching(["latest"], incomplete)


def provider(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the senders that are known by name."""
    from dispatchd.hints import HINTS  # noqa: PLC0415 - read here alone

    return matching(HINTS, incomplete)


def _names(ctx: click.Context, section: str, kind: str | None = None) -> list[str]:
    """Return names from the config that the command would read; none where there is no config."""
    import yaml  # noqa: PLC0415 - for completion alone

    from dispatchd.config import config_text, find_config  # noqa: PLC0415 - likewise

    with suppress(DispatchdError, yaml.YAMLError, RecursionError, ValueError):
        read = yaml.safe_load(config_text(find_config(_config_path(ctx))))
        names = read.get(section) if isinstance(read, dict) else None
        if isinstance(names, dict):
            return [str(n) for n, one in names.items() if kind is None or _type(one) == kind]
    return []


def _type(destination: object) -> object:
    return destination.get("type") if isinstance(destination, dict) else None


def _config_path(ctx: click.Context) -> str | None:
    above: click.Context | None = ctx
    while above is not None:
        if (path := above.params.get("config_path")) is not None:
            return str(path)
        above = above.parent
    return None


ENDPOINTS: Final = names_of("endpoints")
DESTINATIONS: Final = names_of("destinations")
QUEUES: Final = names_of("destinations", "pull")
TEMPLATES: Final = names_of("templates")
