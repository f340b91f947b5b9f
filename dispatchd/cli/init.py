"""`dispatchd init`: a starter config with generated secrets."""

import io
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from dispatchd.cli import completing
from dispatchd.cli.options import unknown
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.cli.starter import Wishes

MODE: Final = 0o600  # it holds a secret
DEFAULT_STORAGE: Final = "sqlite:///dispatchd.db"
TYPES: Final = ("webhook", "discord", "slack", "googlechat", "msteams", "mattermost", "ntfy")
# Which option a section of the config is made of.
_OPTIONS: Final = {"storage": "--storage", "endpoints": "--slug", "server": "--public-url"}


@click.command()
@click.argument("path", default="config.yaml", type=click.Path(path_type=Path))
@click.option(
    "--provider",
    metavar="NAME",
    shell_complete=completing.provider,
    help="Who sends: github, stripe, or generic for a secret of your own.",
)
@click.option("--slug", metavar="SLUG", help="What its webhooks come to: /hooks/SLUG.")
@click.option("--to", metavar="URL", help="Where its events go.")
@click.option(
    "--type",
    "kind",
    type=click.Choice(TYPES),
    help="What is there, where the URL does not tell.",
)
@click.option("--public-url", metavar="URL", help="How senders reach this machine.")
@click.option("--storage", default=DEFAULT_STORAGE, metavar="URL", help="Where the database is.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: what is not told is as by default.")
def command(
    *,
    path: Path,
    provider: str | None,
    slug: str | None,
    to: str | None,
    kind: str | None,
    public_url: str | None,
    storage: str,
    force: bool,
    yes: bool,
) -> None:
    """Write a starter config with generated secrets to PATH, ./config.yaml unless told.

    On a terminal it asks who sends and where events go, unless that is told. Only the file's
    owner may read it. One that exists is kept, unless --force is given.

    \b
    Example:
      dispatchd init
      dispatchd init --provider github --to https://discord.com/api/webhooks/1/abc
      dispatchd init /etc/dispatchd/config.yaml \\
        --storage sqlite:////var/lib/dispatchd/dispatchd.db
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.cli.starter import CATCH, GENERIC, Wishes, starter, wanted  # noqa: PLC0415 - likewise
    from dispatchd.hints import HINTS  # noqa: PLC0415 - likewise

    asking = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if path.exists() and not force:
        raise _exists(path)

    def known(name: str) -> None:
        if name not in HINTS:
            raise click.BadParameter(unknown("provider", name, HINTS), param_hint="--provider")

    if provider is None and asking:
        provider = _asked("Who sends? `dispatchd try` lists the names", GENERIC, known)
    provider = provider or GENERIC
    known(provider)
    wishes = Wishes(
        storage=storage,
        provider=provider,
        slug=slug or ("my-slug" if provider == GENERIC else provider),
        to=to or CATCH,
        type=kind,
        public_url=None if public_url is None else public_url.rstrip("/"),
    )
    if asking:
        _check(
            starter(wishes)
        )  # what was told, before anything is asked that it would be lost with
        if to is None:
            usable = partial(_usable, wishes)
            wishes = replace(wishes, to=_asked("Where do events go?", CATCH, usable))
        wishes = replace(wishes, given=_given(wishes))
    text = starter(wishes)
    _check(text)
    _write(path, text, force=force)
    _tell(path, wishes, wanted(wishes))


def _asked(question: str, default: str, judge: Callable[[str], None]) -> str:
    """Ask until the answer is one that `judge` raises no UsageError for."""

    def judged(answer: str) -> str:
        judge(answer.strip())
        return answer.strip()

    answer: str = click.prompt(question, default=default, value_proc=judged, err=True)
    return answer


def _usable(wishes: "Wishes", to: str) -> None:
    from dispatchd.cli.starter import starter  # noqa: PLC0415 - not for --help

    _check(starter(replace(wishes, to=to)))


def _given(wishes: "Wishes") -> dict[str, str]:
    """Ask for the keys that only the sender can give; what is not known yet is left out."""
    from dispatchd.cli.starter import own_key  # noqa: PLC0415 - not for --help
    from dispatchd.hints import HINTS  # noqa: PLC0415 - likewise

    given = {}
    for key in HINTS[wishes.provider].keys:
        if key.name == "url" or own_key(key):
            continue
        click.echo(f"{key.name}: {key.where}", err=True)
        answer = click.prompt(
            f"{key.name} (not shown; empty for later)",
            default="",
            hide_input=True,
            show_default=False,
            err=True,
        )
        if answer.strip():
            given[key.name] = answer.strip()
    return given


def _check(text: str) -> None:
    """Refuse what `check` would. Raises BadParameter of the option that it comes from."""
    from dispatchd.config import ConfigProblems, check_without_references  # noqa: PLC0415 - likewise

    try:
        check_without_references(io.BytesIO(text.encode()))
    except ConfigProblems as error:
        section = re.split(r"[.\[]", error.problems[0].path)[0]
        raise click.BadParameter(
            "; ".join(f"{p.path}: {p.message}" for p in error.problems) + ".",
            param_hint=_OPTIONS.get(section, "--to"),
        ) from None


def _tell(path: Path, wishes: "Wishes", variables: Mapping[str, str]) -> None:
    from dispatchd.cli.starter import CATCH  # noqa: PLC0415 - not for --help

    name = printable(str(path))
    secret = " with a generated secret, which the sender needs too" if wishes.makes_secret else ""
    click.echo(f"Wrote {name}{secret}. Next:\n")
    for variable, where in variables.items():
        click.echo(f"  export {variable}=...   # {where}")
    click.echo(f"  dispatchd serve --config {name}")
    if wishes.to == CATCH:
        click.echo("  dispatchd catch                      # in a second terminal")
    click.echo(f"  dispatchd send {wishes.slug} --config {name}   # in another")


def _exists(path: Path) -> DispatchdError:
    return DispatchdError(
        f"{path} exists and was not touched; choose another path, or replace it with --force"
    )


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
        raise _exists(path) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "the path is malformed"
        raise DispatchdError(f"cannot write {path}: {why}") from None
