"""`dispatchd preview`: what a template says of a body, in the terminal."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from uuid import UUID

import click

from dispatchd.cli.completing import TEMPLATES
from dispatchd.cli.options import config_option, json_option, unknown
from dispatchd.cli.request import JSON, headers_option
from dispatchd.cli.text import say, to_json
from dispatchd.clock import SystemClock
from dispatchd.errors import DispatchdError
from dispatchd.model import Event, EventStatus
from dispatchd.strangers import printable
from dispatchd.templates.markup import TYPES
from dispatchd.templates.normal import NORMAL, variant_for

if TYPE_CHECKING:
    from dispatchd.message import Message

NOBODY: Final = "preview"  # the endpoint and the destination that there are not


@click.command()
@click.argument("template", shell_complete=TEMPLATES)
@click.argument("file", type=click.File("rb"))
@config_option
@click.option(
    "--type",
    "kind",
    type=click.Choice(list(TYPES)),
    metavar="TYPE",
    help="For which type of destination.",
)
@click.option("--event-type", metavar="TYPE", help="The event type that it is told.")
@headers_option
@json_option
def command(
    *,
    template: str,
    file: BinaryIO,
    config_path: str | None,
    kind: str | None,
    event_type: str | None,
    headers: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Show what TEMPLATE, one of the config's, says of the body in FILE (- is standard input).

    With --type, in the terms of that type of destination where the template has any; else, and
    without, the message in normal form. What it asked for and did not find is a warning, and so
    is what the type would cut. Nothing is sent, and no secret of the config is needed.

    \b
    Example:
      dispatchd preview issue payload.json --type discord
    """  # noqa: D301 - click reads the backspace itself
    from dispatchd.config import find_config, load_templates  # noqa: PLC0415 - not for --help

    templates = load_templates(find_config(config_path))
    if template not in templates:
        none = unknown("template", template, list(templates))
        raise click.BadParameter(f"there is {none}", param_hint="TEMPLATE")
    variants = templates[template]
    variant = variant_for(variants, kind or NORMAL)
    if variant not in variants:
        raise click.UsageError(f"{template!r} speaks to {', '.join(variants)} alone: say --type.")
    event = Event(
        id=str(UUID(int=0)),
        endpoint=NOBODY,
        endpoint_id=str(UUID(int=0)),
        received_ms=SystemClock().now_ms(),
        event_type=event_type,
        source_ip=None,
        status=EventStatus.RECEIVED,
        filtered_by=None,
        content_type=next((v for name, v in headers if name.lower() == "content-type"), JSON),
        headers=headers,
        body=file.read(),
    )
    told = asyncio.run(_rendered(variant, variants[variant], event))
    told = {"template": template, "variant": variant, "type": kind, **told}
    told["warnings"] = list(_warnings(told))
    if as_json:
        click.echo(to_json(told))
        return
    say("\n".join(_lines(told)))
    for warning in told["warnings"]:
        say(f"warning: {warning}", err=True)


async def _rendered(variant: str, tree: Any, event: Event) -> dict[str, Any]:
    import orjson  # noqa: PLC0415 - not for --help

    from dispatchd.evaluate.evaluator import Evaluator, Value  # noqa: PLC0415 - likewise
    from dispatchd.evaluate.frames import TEMPLATE, template_source  # noqa: PLC0415 - likewise
    from dispatchd.match import template_names  # noqa: PLC0415 - likewise
    from dispatchd.verify import document_json  # noqa: PLC0415 - likewise

    evaluator = Evaluator()
    try:
        result = await evaluator.evaluate(
            template_source(variant, tree),
            document_json(event.body, event.content_type),
            owner=NOBODY,
            bindings=template_names(event, NOBODY),
            kind=TEMPLATE,
        )
    finally:
        await evaluator.close()
    if not isinstance(result, Value):
        raise DispatchdError(f"the template fails over this body: {result.reason}")
    read: dict[str, Any] = orjson.loads(result.json)
    return read


def _warnings(told: Mapping[str, Any]) -> Iterator[str]:
    from dispatchd.evaluate.said import said_of, said_problem  # noqa: PLC0415 - not for --help
    from dispatchd.templates.limits import cuts  # noqa: PLC0415 - likewise
    from dispatchd.templates.normal import message_of  # noqa: PLC0415 - likewise

    yield from (f"there is no {name}" for name in told["missing"])
    why = said_problem(said_of(told["variant"], told["tree"]))
    if why is not None:
        yield f"the destination's own wording would be sent: {why}"
    if told["variant"] == NORMAL and told["type"] is not None:
        yield from cuts(message_of(told["tree"]), told["type"])


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    if told["variant"] != NORMAL:
        yield to_json(told["tree"])
        return
    from dispatchd.templates.normal import message_of  # noqa: PLC0415 - not for --help

    for name, text in _parts(message_of(told["tree"])):
        first, *rest = printable(text, lines=True).split("\n")
        yield f"{name:<12} {first}"
        yield from (f"{'':<12} {line}" for line in rest)


def _parts(message: "Message") -> Iterator[tuple[str, str]]:
    """Yield what is said, each part with its key."""
    yield from (
        (name, text)
        for name, text in (
            ("title", message.title),
            ("url", message.url or ""),
            ("description", message.description),
        )
        if text
    )
    for field in message.fields:
        yield "field", f"{field.name}: {field.value}"
    yield "kind", message.kind.value
    if message.colour is not None:
        yield "colour", f"#{message.colour:06x}"
    if message.footer:
        yield "footer", message.footer
