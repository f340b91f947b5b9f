"""`dispatchd listen`: bring a daemon's events to a local address, as they come."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import click

from dispatchd.cli.completing import ENDPOINTS
from dispatchd.cli.daemon_at import find_daemon, is_exposed, token_file_option, url_option
from dispatchd.cli.live_lines import forwarded_line, styler
from dispatchd.cli.options import config_option, parse_duration, parse_since, unknown
from dispatchd.cli.positions import Position
from dispatchd.cli.text import distance, iso, plural, say, to_json
from dispatchd.cli.until_stopped import run_until_stopped
from dispatchd.clock import SystemClock
from dispatchd.model import Reply, Via
from dispatchd.terminal import wants_colour

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from dispatchd.cli.forwarding import Forward
    from dispatchd.remote.daemon import DaemonAt
    from dispatchd.send import HttpSender

AGAIN_S: Final = 1.0  # until a large body is fetched again that could not be


@click.command()
@click.argument("slug", shell_complete=ENDPOINTS)
@click.option(
    "--forward", "forward_url", required=True, metavar="URL",
    help="Where to bring them: http://localhost:3000/hooks.",
)  # fmt: skip
@config_option
@url_option
@token_file_option
@click.option("--event-type", metavar="TYPE", help="Only those of this event type.")
@click.option(
    "--since", "since_ms", type=parse_since, metavar="TIME",
    help="Begin with those received in the last 10m, or since; else with the next.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Begin where the last such `listen` left.")
@click.option(
    "--timeout", "timeout_ms", type=parse_duration, default="30s", show_default=True,
    metavar="TIME", help="How long an answer may take.",
)  # fmt: skip
@click.option("--skip-verify", is_flag=True, help="Take any certificate of the local address.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event and line.")
def command(
    *,
    slug: str,
    forward_url: str,
    config_path: str | None,
    url: str | None,
    token_file: str | None,
    event_type: str | None,
    since_ms: int | None,
    resume: bool,
    timeout_ms: int,
    skip_verify: bool,
    as_json: bool,
) -> None:
    """Bring the events of endpoint SLUG to a local address as they come. Ctrl-C ends it.

    Each is posted with its own headers and bytes, one after the other. The daemon is that of
    the config, or at --url; its own deliveries go on as ever. While it cannot be reached this
    tries again, and then brings what came meanwhile.

    \b
    Example:
      dispatchd listen my-slug --forward http://localhost:3000/hooks
      dispatchd listen my-slug --forward localhost:3000 --url https://HOST:8081
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.cli.forwarding import Forward  # noqa: PLC0415 - not for --help

    if resume and since_ms is not None:
        raise click.UsageError("--resume and --since exclude each other.")
    daemon = find_daemon(config_path, url, token_file)
    target = _local(forward_url)
    position = Position(str(daemon), slug, target)
    query = {"endpoint": slug, "whole": "true"}
    if event_type is not None:
        query["event_type"] = event_type
    if since_ms is not None:
        query["since"] = iso(since_ms)
    left = position.read()
    if resume and left is None:
        raise click.UsageError(
            "There is no place to --resume from: no such `listen` has run here; use --since."
        )
    if is_exposed(daemon):
        say(f"warning: the token goes to {daemon} as it is; https:// would hide it", err=True)
    listening = _Listening(
        daemon,
        Forward(target, timeout_ms / 1000, Via(verify=not skip_verify)),
        position,
        as_json=as_json,
    )
    if left is not None and not resume and since_ms is None:
        listening.hint = (
            f"you left {distance(left[1], SystemClock().now_ms())}: --resume goes on there"
        )
    last_id = left[0] if resume and left is not None else None
    try:
        run_until_stopped(listening.run(slug, query, last_id))
    finally:
        position.keep()
        listening.say_count()


class _Listening:
    """Brings one event after the other, and prints what came of each."""

    def __init__(
        self, daemon: "DaemonAt", forward: "Forward", position: Position, *, as_json: bool
    ) -> None:
        self._daemon = daemon
        self._forward = forward
        self._position = position
        self._as_json = as_json
        self._style = styler(colour=wants_colour(os.environ, is_tty=sys.stdout.isatty()))
        self._brought = self._failed = 0
        self.hint = ""

    async def run(self, slug: str, query: Mapping[str, str], last_id: str | None) -> None:
        """Bring events, for ever. Raises DispatchdError, and click.BadParameter for the slug."""
        from dispatchd.remote.following import Following  # noqa: PLC0415 - not for --help
        from dispatchd.send import HttpSender  # noqa: PLC0415 - likewise

        def ready() -> None:
            if self._position.read() is None:  # what comes from here on is still to bring
                self._position.move(following.last_id)
            self._say(f"{slug} of {self._daemon} -> {self._forward.url}; Ctrl-C ends it")

        following = Following(
            self._daemon,
            query,
            last_id=last_id,
            now_ms=SystemClock().now_ms(),
            say=self._say,
            ready=ready,
        )
        async with self._daemon.session() as session, HttpSender() as sender:
            await self._check_slug(session, slug)
            if self.hint:
                self._say(self.hint)
            async with aclosing(following.told(session)) as told:
                async for one in told:
                    if one.kind == "event":
                        await self._bring(session, sender, one.fields)
                        self._position.move(following.last_id)

    async def _check_slug(self, session: "ClientSession", slug: str) -> None:
        """Refuse a name that the daemon does not know: nothing would ever come."""
        from dispatchd.remote.daemon import Unreachable  # noqa: PLC0415 - likewise

        try:
            known = [
                one["endpoint"] for one in (await self._daemon.get(session, "endpoints"))["items"]
            ]
        except Unreachable:
            return  # following says so, and waits for it
        except (KeyError, TypeError):
            known = [slug]
        if slug not in known:
            raise click.BadParameter(
                f"{unknown('endpoint', slug, known)} (at {self._daemon})", param_hint="SLUG"
            )

    async def _bring(
        self, session: "ClientSession", sender: "HttpSender", fields: Mapping[str, Any]
    ) -> None:
        from dispatchd.cli.forwarding import result_fields  # noqa: PLC0415 - likewise

        whole = fields if "headers" in fields else await self._fetched(session, fields)
        if whole is None:
            self._say(f"{fields['event_id']} is not there any more")
            return
        outcome = await self._forward.bring(sender, whole)
        self._brought += 1
        self._failed += not (isinstance(outcome, Reply) and 200 <= outcome.status < 300)  # noqa: PLR2004 - HTTP's success
        result = result_fields(whole, outcome)
        if self._as_json:
            click.echo(to_json(result, indent=False))
        else:
            click.echo(forwarded_line(result, self._style), color=True)

    async def _fetched(
        self, session: "ClientSession", fields: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Return an event that is too large for the stream; None where it was pruned."""
        from dispatchd.remote.daemon import Refused, Unreachable  # noqa: PLC0415 - likewise

        while True:
            try:
                found: Mapping[str, Any] = await self._daemon.get(
                    session, "events", fields["event_id"]
                )
            except Refused as error:
                if error.status == 404:  # noqa: PLR2004 - Not Found
                    return None
                raise
            except Unreachable:
                await asyncio.sleep(AGAIN_S)
            else:
                return found

    def say_count(self) -> None:
        """Say at the end how many were brought."""
        if self._brought:
            failed = f", {self._failed} of them not answered 2xx" if self._failed else ""
            self._say(f"{plural(self._brought, 'event')} brought{failed}")

    def _say(self, sentence: str) -> None:
        say(sentence, err=True)


def _local(url: str) -> str:
    """Return the address to bring events to. Raises click.BadParameter."""
    from dispatchd.url import read_url  # noqa: PLC0415 - not for --help

    whole = url if "://" in url else f"http://{url}"
    try:
        read_url(whole)
    except ValueError as error:
        raise click.BadParameter(f"{url!r} {error}", param_hint="--forward") from None
    return whole
