"""`dispatchd explain`: why an event did, or did not, arrive."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from dispatchd.alert_kinds import ALERTS
from dispatchd.cli.completing import endpoint_or_latest
from dispatchd.cli.endpoint import endpoint_fields, endpoint_lines
from dispatchd.cli.ids import parse_event_id
from dispatchd.cli.options import config_option, json_option, unknown
from dispatchd.cli.request import headers_option
from dispatchd.cli.sent import message_lines
from dispatchd.cli.storage import load_config
from dispatchd.cli.story import get_story
from dispatchd.cli.text import body_text, say_long, spoken, to_json
from dispatchd.clock import SystemClock
from dispatchd.shapes.event import deliveries_fields
from dispatchd.shapes.explained import facts_said, link_said
from dispatchd.shapes.explanation import explanation_fields
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from dispatchd.config import Config
    from dispatchd.receive.explain import Inquiry

SENT_MAX_BYTES: Final = 2048  # of what would be sent


def address(text: str) -> str:
    """Return an IP address as it is."""
    try:
        ip_address(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address.") from None
    return text


@click.command()
@click.argument("target", metavar="EVENT_ID|SLUG", shell_complete=endpoint_or_latest)
@click.argument("file", type=click.File("rb"), required=False)
@config_option
@headers_option
@click.option("--query", default="", metavar="QUERY", help="The query of a dry run's URL.")
@click.option(
    "--source-ip", type=address, metavar="IP", help="Where the request of a dry run comes from."
)
@json_option
def command(
    *,
    target: str,
    file: BinaryIO | None,
    config_path: str | None,
    headers: tuple[tuple[str, str], ...],
    query: str,
    source_ip: str | None,
    as_json: bool,
) -> None:
    """Explain what becomes of an event: who sent it, where it goes, what would be sent.

    With EVENT_ID (or its beginning, or `latest`), a stored event, judged by the config as it is
    now. With SLUG alone, what that endpoint expects, and a request that it takes. With SLUG and
    FILE, a dry run: FILE is the body (- is standard input), --header its headers, the signature
    among them; where that does not verify, the rest is told as if it did.

    \b
    Example:
      dispatchd explain latest
      dispatchd explain my-slug
      dispatchd explain my-slug payload.json --header "X-GitHub-Event: issues"
    """  # noqa: D301 - click reads the backspace itself
    config = load_config(config_path)
    lines = _lines
    if file is None:
        if headers or query or source_ip is not None:
            raise click.UsageError(
                "--header, --query and --source-ip go with SLUG and FILE; an event has its own."
            )
        if target in config.endpoints:
            told, lines = endpoint_fields(config, target), endpoint_lines
        else:
            told = asyncio.run(_stored(config, _id_or_slug(config, target)))
    else:
        if target not in config.endpoints:
            raise click.BadParameter(
                unknown("endpoint", target, config.endpoints) + " (FILE goes with SLUG)",
                param_hint="SLUG",
            )
        told = asyncio.run(
            _dry_run(config, target, file.read(), headers, query=query, source_ip=source_ip)
        )
    if as_json:
        click.echo(to_json(explanation_fields(told)))
    else:
        say_long("\n".join(lines(told)))


def _id_or_slug(config: "Config", target: str) -> str:
    """Return the event id that `target` is or begins; the config has no such endpoint."""
    try:
        return parse_event_id(target)
    except click.BadParameter:
        none = unknown("endpoint", target, config.endpoints)
        raise click.BadParameter(
            f"{target!r} is no event id, and there is {none}", param_hint="EVENT_ID|SLUG"
        ) from None


async def _stored(config: "Config", given: str) -> dict[str, Any]:
    from dispatchd.receive.explain import Inquiry  # noqa: PLC0415 - not for --help

    story = await get_story(config, given)
    event = story.event
    told: dict[str, Any] = {"event_id": event.id}
    if event.endpoint in config.endpoints:
        told |= await _explained(config, event.endpoint, Inquiry.about(event))
    elif event.endpoint == ALERTS:
        told |= {"endpoint": event.endpoint, "notes": ["an alert of dispatchd's own"]}
    else:
        told |= {"endpoint": event.endpoint, "problem": "the endpoint has left the config"}
    return {**told, "deliveries": deliveries_fields(story)}


async def _dry_run(
    config: "Config",
    slug: str,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
    *,
    query: str,
    source_ip: str | None,
) -> dict[str, Any]:
    from dispatchd.receive.explain import (  # noqa: PLC0415 - not for --help
        Inquiry,
        with_content_type,
    )

    given = with_content_type(headers, "application/json")
    now_ms = SystemClock().now_ms()
    asked = Inquiry(given, body, source_ip, now_ms, stored=False, query=query.removeprefix("?"))
    return await _explained(config, slug, asked)


async def _explained(config: "Config", slug: str, asked: "Inquiry") -> dict[str, Any]:
    from dispatchd.evaluate.evaluator import Evaluator  # noqa: PLC0415 - not for --help
    from dispatchd.pinned import PinnedDocuments  # noqa: PLC0415 - likewise
    from dispatchd.plan.compiling import lane_spec, route_spec  # noqa: PLC0415 - likewise
    from dispatchd.plan.explaining import explain_by_plan  # noqa: PLC0415 - likewise
    from dispatchd.reading.reader import Reader  # noqa: PLC0415 - likewise

    spec = route_spec(config, slug)
    lanes = {link.destination: lane_spec(config, link.destination) for link in spec.links}
    documents = PinnedDocuments()
    evaluator, reader = Evaluator(), Reader()
    try:
        told = await explain_by_plan(
            spec,
            lanes,
            config.server.max_body_bytes,
            asked,
            documents=documents,
            evaluator=evaluator,
            reader=reader,
        )
    finally:
        await evaluator.close()
        await reader.close()
        await documents.close()
    if not config.endpoints[slug].active:
        told["problem"] = "the endpoint is not active: senders get 404"
    return told


# What is printed


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for name, text in facts_said(told):
        yield f"{name:<11} {printable(text)}"
    for link in told.get("links", []):
        yield from _link_lines(link)
    for delivery in told.get("deliveries", []):
        yield ""
        yield from _delivery_lines(delivery)


def _link_lines(link: dict[str, Any]) -> Iterator[str]:
    yield ""
    if link["goes"]:
        at = f" at {link['url']}" if link["url"] else ""  # a queue is nowhere else
        yield f"To {link['destination']}{at}: yes"
    else:
        yield f"To {link['destination']}: no, turned away by its {link['turned_away_by']}"
    for name, text in link_said(link):
        yield f"  {name} {printable(text)}"
    if link["goes"]:
        yield from _sent_lines(link)


def _sent_lines(link: dict[str, Any]) -> Iterator[str]:
    if "headers" in link:
        yield f"  headers {printable(', '.join(link['headers']))}"
    if link["said"] is not None:
        said = to_json(link["said"]["tree"]).replace("\n", "\n  ")
        yield f"  would say ({link['said']['variant']}) {said}"
    elif "message" in link:
        told = "\n".join(message_lines(link["message"]))
        yield "  would say " + printable(told, lines=True).replace("\n", "\n  ")
    elif link["body"] is not None:
        shown = body_text(link["body"][:SENT_MAX_BYTES]).removesuffix("\n")
        if len(link["body"]) > SENT_MAX_BYTES:
            shown += f"… ({len(link['body'])} bytes in all)"
        yield "  would send " + shown.replace("\n", "\n  ")


def _delivery_lines(delivery: dict[str, Any]) -> Iterator[str]:
    yield f"Delivery to {delivery['destination']}: {delivery['status']}"
    if delivery["held_because"]:
        yield f"  held: {delivery['held_because']}"
    elif delivery["leased_until"] is not None:
        yield f"  with its consumer until {spoken(delivery['leased_until'])}"
    elif delivery["due"] is not None:
        yield f"  next attempt {spoken(delivery['due'])}"
    if delivery["attempts"]:
        last = delivery["attempts"][-1]
        code = "" if last["status_code"] is None else f" {last['status_code']}"
        why = f", {last['message']}" if last["message"] else ""
        count = len(delivery["attempts"])
        yield f"  last of {count}:{code} {last['error'] or 'success'}{why}"
