"""Explaining by a plan: what receive would do with a webhook, and what each lane would send."""

from collections.abc import Mapping
from typing import Any

from dispatchd.deliver.spec import LaneSpec
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.model import Delivery, DeliveryStatus, Event
from dispatchd.reading.reader import Reader
from dispatchd.receive.explain import Carried, Explained, Inquiry, event_asked, explain
from dispatchd.receive.judge import Judge
from dispatchd.receive.routes import compile_route
from dispatchd.receive.spec import RouteSpec


async def explain_by_plan(
    spec: RouteSpec,
    lanes: Mapping[str, LaneSpec],
    max_body_bytes: int,
    asked: Inquiry,
    *,
    certificates: Any,
    evaluator: Evaluator,
    reader: Reader,
) -> dict[str, Any]:
    """Return every step's verdict, and the names of the headers that each link would send."""
    route = compile_route(spec, certificates)
    carried = {
        link.destination: _carried(spec.slug, lanes[link.destination]) for link in spec.links
    }
    judge = Judge(certificates, evaluator, reader)
    explained = Explained(route, spec, carried, max_body_bytes)
    told = await explain(explained, asked, judge, evaluator)
    if told["links"]:
        _add_header_names(lanes, event_asked(route, asked, told), told["links"])
    return told


def _carried(slug: str, lane: LaneSpec) -> Carried:
    transform = lane.transforms.get(slug)
    if transform is None:
        return Carried(lane.destination, lane.url)
    return Carried(lane.destination, lane.url, transform.expression, transform.on_error)


def _add_header_names(
    lanes: Mapping[str, LaneSpec], event: Event, links: list[dict[str, Any]]
) -> None:
    """Give each link that an event goes over the names of its request's `headers`, in order.

    Names alone, for values may be secret.
    """
    for link in links:
        if not link["goes"] or link["body"] is None:
            continue
        name = link["destination"]
        delivery = Delivery(event.id, name, DeliveryStatus.QUEUED, 0, 0, 0, event.received_ms)
        content = link["body"] if link["transform"] == "applied" else None
        request = lanes[name].courier.compose(event, delivery, content, event.received_ms)
        link["headers"] = list(dict.fromkeys(request.headers))
