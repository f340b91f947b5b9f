"""`dispatchd explain`: why an event did, or did not, arrive."""

import asyncio
import uuid
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from dispatchd.cli.options import config_option, json_option, parse_event_id, unknown
from dispatchd.cli.send import header
from dispatchd.cli.sent import add_header_names
from dispatchd.cli.storage import load_config, opened
from dispatchd.cli.text import body_text, bytes_field, clock_time, printable, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError

if TYPE_CHECKING:
    from dispatchd.config import Config
    from dispatchd.receive.explain import Inquiry
    from dispatchd.store.base import EventStory

SENT_MAX_BYTES: Final = 2048  # of what would be sent


def address(text: str) -> str:
    """Return an IP address as it is."""
    try:
        ip_address(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address.") from None
    return text


@click.command()
@click.argument("target", metavar="EVENT_ID|SLUG")
@click.argument("file", type=click.File("rb"), required=False)
@config_option
@click.option(
    "--header",
    "headers",
    metavar="K:V",
    type=header,
    multiple=True,
    help="A header of the request, any number of times.",
)
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

    With EVENT_ID, a stored event, judged by the config as it is now. With SLUG and FILE, a dry
    run: FILE is the body (- is standard input), --header its headers, the signature among them;
    where that does not verify, the rest is told as if it did.

    \b
    Example:
      dispatchd explain 0198c0de-0000-7000-8000-000000000001
      dispatchd explain my-slug payload.json --header "X-GitHub-Event: issues"
    """  # noqa: D301 - click reads the backspace itself
    config = load_config(config_path)
    if file is None:
        if headers or query or source_ip is not None:
            raise click.UsageError(
                "--header, --query and --source-ip go with SLUG and FILE; an event has its own."
            )
        told = asyncio.run(_stored(config, parse_event_id(target)))
    else:
        if _is_uuid(target) and target not in config.endpoints:
            raise click.UsageError("FILE goes with SLUG; an event has its own body.")
        if target not in config.endpoints:
            raise click.BadParameter(
                unknown("endpoint", target, config.endpoints), param_hint="SLUG"
            )
        told = asyncio.run(
            _dry_run(config, target, file.read(), headers, query=query, source_ip=source_ip)
        )
    if as_json:
        click.echo(to_json(_for_json(told)))
    else:
        click.echo("\n".join(_lines(told)))


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def _stored(config: "Config", event_id: str) -> dict[str, Any]:
    from dispatchd.receive.explain import Inquiry  # noqa: PLC0415 - not for --help

    async with opened(config) as store:
        story = await store.get_event(event_id)
    if story is None:
        raise DispatchdError(f"there is no event {event_id}; `dispatchd events` lists them")
    event = story.event
    told: dict[str, Any] = {"event_id": event.id}
    if event.endpoint in config.endpoints:
        kept = list(event.headers)
        if not any(name.lower() == "content-type" for name, _ in kept):
            kept.append(("Content-Type", event.content_type))
        asked = Inquiry(
            headers=kept,
            body=event.body,
            source_ip=event.source_ip,
            now_ms=event.received_ms,
            stored=True,
            auth=event.auth,
            forward_headers=event.forward_headers,
        )
        told |= await _explained(config, event.endpoint, asked)
    else:
        told |= {"endpoint": event.endpoint, "problem": "the endpoint has left the config"}
    return {**told, "deliveries": list(_deliveries(story))}


async def _dry_run(
    config: "Config",
    slug: str,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
    *,
    query: str,
    source_ip: str | None,
) -> dict[str, Any]:
    from dispatchd.receive.explain import Inquiry  # noqa: PLC0415 - not for --help

    given = list(headers)
    if not any(name.lower() == "content-type" for name, _ in given):
        given.append(("Content-Type", "application/json"))
    now_ms = SystemClock().now_ms()
    asked = Inquiry(given, body, source_ip, now_ms, stored=False, query=query.removeprefix("?"))
    return await _explained(config, slug, asked)


async def _explained(config: "Config", slug: str, asked: "Inquiry") -> dict[str, Any]:
    from dispatchd.certificates import FetchedCertificates  # noqa: PLC0415 - not for --help
    from dispatchd.evaluate.evaluator import Evaluator  # noqa: PLC0415 - likewise
    from dispatchd.receive import compile_routes  # noqa: PLC0415 - likewise
    from dispatchd.receive.explain import event_asked, explain  # noqa: PLC0415 - likewise

    active = config.endpoints[slug].model_copy(update={"active": True})
    whole = config.model_copy(update={"endpoints": {**config.endpoints, slug: active}})
    route = compile_routes(whole, FetchedCertificates()).by_slug[slug]
    evaluator = Evaluator()
    try:
        told = await explain(config, route, asked, evaluator)
    finally:
        await evaluator.close()
    if told["links"]:
        add_header_names(config, event_asked(route, asked, told), told["links"])
    if not config.endpoints[slug].active:
        told["problem"] = "the endpoint is not active: senders get 404"
    return told


def _deliveries(story: "EventStory") -> Iterator[dict[str, Any]]:
    for delivery in story.deliveries:
        attempts = [a for a in story.attempts if a.destination == delivery.destination]
        last = attempts[-1] if attempts else None
        yield {
            "destination": delivery.destination,
            "status": delivery.status.value,
            "held": story.held.get(delivery.destination),
            "due": clock_time(delivery.due_ms),
            "attempts": delivery.attempts,
            "last_status_code": last.status_code if last else None,
            "last_error": last.error.value if last and last.error else None,
            "last_message": last.message if last else None,
        }


# What is printed


def _for_json(told: dict[str, Any]) -> dict[str, Any]:
    links = []
    for link in told.get("links", []):
        body = link.get("body")
        rest = {k: v for k, v in link.items() if k != "body"}
        links.append(rest if body is None else {**rest, **bytes_field("body", body)})
    return {**told, "links": links} if "links" in told else told


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for name, text in _facts(told):
        yield f"{name:<11} {text}"
    for link in told.get("links", []):
        yield from _link_lines(link)
    for delivery in told.get("deliveries", []):
        yield ""
        yield from _delivery_lines(delivery)


def _facts(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is told of the event as a whole, in the order in which it is judged."""
    yield "Endpoint", printable(told["endpoint"])
    if "problem" in told:
        yield "Problem", told["problem"]
    if not told.get("admitted", True):
        yield "Address", "not in allow_ips, 403"
    if "verified" in told:
        yield "Verified", _proof(told["verified"])
    if "body" in told:
        yield "Body", printable(told["body"])
    if "event_type" in told:
        kind, key = told["event_type"], told["idempotency_key"]
        came = f" (from {kind['from']})" if kind["from"] else ""
        yield "Event type", f"{'none' if kind['value'] is None else printable(kind['value'])}{came}"
        yield "Duplicates", "no key" if key is None else f"known by {printable(key)}"
    if "status" in told:
        yield "Status", _status(told)
    yield from (("Filter", printable(text)) for text in [told.get("filter")] if text)
    yield from (("Note", printable(note)) for note in told.get("notes", []))


def _proof(verified: dict[str, Any]) -> str:
    if verified["ok"]:
        return f"by {printable(verified['by'] or 'means unknown')}"
    return f"no, 401: {verified['why']}"


def _status(told: dict[str, Any]) -> str:
    if told["status"] not in ("received", "filtered", "refused"):
        return str(told["status"])
    judged = f"filtered by {told['filtered_by']}" if told.get("filtered_by") else "received"
    if told["status"] != "refused":
        return judged
    return f"refused; were it not, {judged}" if "event_type" in told else "refused"


def _link_lines(link: dict[str, Any]) -> Iterator[str]:
    yield ""
    if link["goes"]:
        yield f"To {link['destination']} at {link['url']}: yes"
    else:
        yield f"To {link['destination']}: no, turned away by its {link['turned_away_by']}"
    if link["event_types"]:
        yield f"  event types {printable(link['event_types'])}"
    if link["filter"]:
        yield f"  filter {printable(link['filter'])}"
    if not link["goes"]:
        return
    if link["transform"] is not None:
        yield f"  transform {printable(link['transform'])}"
    if "headers" in link:
        yield f"  headers {printable(', '.join(link['headers']))}"
    if link["body"] is not None:
        shown = body_text(link["body"][:SENT_MAX_BYTES])
        if len(link["body"]) > SENT_MAX_BYTES:
            shown += f"… ({len(link['body'])} bytes in all)"
        yield "  would send " + shown.replace("\n", "\n  ")


def _delivery_lines(delivery: dict[str, Any]) -> Iterator[str]:
    yield f"Delivery to {printable(delivery['destination'])}: {delivery['status']}"
    if delivery["held"]:
        yield f"  held: {delivery['held']}"
    elif delivery["status"] in ("queued", "retrying"):
        yield f"  next attempt {delivery['due']}"
    if delivery["attempts"]:
        last = delivery["last_error"] or "success"
        code = "" if delivery["last_status_code"] is None else f" {delivery['last_status_code']}"
        why = f", {printable(delivery['last_message'])}" if delivery["last_message"] else ""
        yield f"  last of {delivery['attempts']}:{code} {last}{why}"
