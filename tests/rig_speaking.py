"""A destination that people read, as far as deliveries know of one, and how a plan gets it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nouns import an_event

from dispatchd.compose import judge_http
from dispatchd.deliver.spec import LaneLink, LinkTemplate, Treatment
from dispatchd.evaluate.frames import template_source
from dispatchd.message import Said, Terms
from dispatchd.model import Delivery, DeliveryStatus, Event, Judged, Outcome, Request
from dispatchd.plan import Plan

OWN_WORDING = b"own wording of "


@dataclass(frozen=True)
class SpeakingCourier:
    """Posts what is said as JSON, and own wording where nothing is."""

    url: str

    def compose(
        self, event: Event, delivery: Delivery, content: bytes | None, now_ms: int
    ) -> Request:
        said = OWN_WORDING + (event.body if content is None else content)
        return Request("POST", self.url, {}, said, 5.0)

    def compose_said(self, event: Event, delivery: Delivery, said: Said, now_ms: int) -> Request:
        told = said.tree if isinstance(said, Terms) else {"title": said.title}
        return Request("POST", self.url, {}, json.dumps(told).encode(), 5.0)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        return judge_http(outcome, now_ms)


def speaking(
    templates: dict[str, tuple[str, Any]], *, own: str, destination: str = "chat"
) -> Callable[[Plan], Plan]:
    """Return how a plan's webhook becomes a destination that people read.

    `templates` are variant and tree by name, `own` the link's; rules name theirs by their own.
    """

    def template(name: str) -> LinkTemplate:
        variant, tree = templates[name]
        return LinkTemplate(name, variant, template_source(variant, tree), f"template {name}")

    def change(plan: Plan) -> Plan:
        lane = plan.lanes[destination]
        event = an_event()
        delivery = Delivery(event.id, destination, DeliveryStatus.QUEUED, 0, 0, 0, 0)
        url = lane.courier.compose(event, delivery, None, 0).url
        links = {}
        for slug in plan.routes:
            link = lane.links.get(slug, LaneLink(Treatment()))
            links[slug] = replace(
                link,
                own=replace(link.own, template=template(own)),
                by_rule={
                    rule: replace(treatment, template=template(rule))
                    for rule, treatment in link.by_rule.items()
                    if rule in templates
                },
            )
        speaks = replace(lane, courier=SpeakingCourier(url), links=links, type="discord")
        return replace(plan, lanes={**plan.lanes, destination: speaks})

    return change
