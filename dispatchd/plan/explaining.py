"""Explaining by a plan: what receive would do with a webhook, and what each lane would send."""

from collections.abc import Mapping
from typing import Any

from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.words import MessageCourier
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.model import Delivery, DeliveryStatus, Event, Request
from dispatchd.pinned import PinnedDocuments
from dispatchd.plan.would_send import WouldSend
from dispatchd.reading.reader import Reader
from dispatchd.receive.explain import Explained, Inquiry, Over, event_asked, explain
from dispatchd.receive.judge import Judge
from dispatchd.receive.routes import compile_route
from dispatchd.receive.spec import RouteSpec
from dispatchd.shapes.message import message_fields


async def explain_by_plan(
    spec: RouteSpec,
    lanes: Mapping[str, LaneSpec],
    max_body_bytes: int,
    asked: Inquiry,
    *,
    documents: PinnedDocuments,
    evaluator: Evaluator,
    reader: Reader,
) -> dict[str, Any]:
    """Return every step's verdict, and what each link would send."""
    route = compile_route(spec, documents)
    urls = {link.destination: lanes[link.destination].url for link in spec.links}

    def would_send(event: Event, content_type: str) -> Over:
        return WouldSend(lanes, event, content_type, evaluator).over

    explained = Explained(route, spec, urls, max_body_bytes, would_send)
    told = await explain(explained, asked, Judge(documents, evaluator, reader))
    if told["links"]:
        _add_sent(lanes, event_asked(route, asked, told), told["links"])
    return told


def _add_sent(lanes: Mapping[str, LaneSpec], event: Event, links: list[dict[str, Any]]) -> None:
    """Give each link that an event goes over what would be sent there.

    `headers` are the names of its request's, in order, for a webhook (values may be secret); for
    a destination that people read `message` is what is said, in place of the `body`.
    """
    for link in links:
        if not link["goes"] or link["body"] is None or link["said"] is not None:
            continue
        name = link["destination"]
        content = link["body"] if link["transform"] == "applied" else None
        courier = lanes[name].courier
        if courier is None:  # a queue: its consumers are handed the body
            continue
        if isinstance(courier, MessageCourier):
            link["message"] = message_fields(courier.message(event, content))
            link["body"] = None
            continue
        delivery = Delivery(event.id, name, DeliveryStatus.QUEUED, 0, 0, 0, event.received_ms)
        composed = courier.compose(event, delivery, content, event.received_ms)
        if isinstance(composed, Request):
            link["headers"] = list(dict.fromkeys(composed.headers))
