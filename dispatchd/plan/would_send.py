"""What would be sent of an event over each of its links, for whoever explains it."""

from collections.abc import Mapping
from typing import Any

import orjson

from dispatchd.deliver.spec import LaneLink, LaneSpec, LinkTemplate, LinkTransform, Treatment
from dispatchd.evaluate.evaluator import Evaluator, Fault, Value
from dispatchd.evaluate.frames import TEMPLATE
from dispatchd.evaluate.said import said_of, said_problem
from dispatchd.match import bindings_json, template_names
from dispatchd.model import Event
from dispatchd.verify import document_json

_AS_IT_CAME = LaneLink(Treatment())


class WouldSend:
    """Evaluates as delivery does, by the lanes' plan; `content_type` is how the body was read."""

    def __init__(
        self,
        lanes: Mapping[str, LaneSpec],
        event: Event,
        content_type: str,
        evaluator: Evaluator,
    ) -> None:
        self._lanes = lanes
        self._event = event
        self._document = document_json(event.body, content_type)
        self._names = bindings_json(event.event_type, event.headers, event.endpoint)
        self._evaluator = evaluator

    async def over(self, destination: str, rule: str | None) -> dict[str, Any]:
        """Return what would be sent to a destination where `rule` matched, and how so."""
        link = self._lanes[destination].links.get(self._event.endpoint, _AS_IT_CAME)
        chosen = link.treatment(rule)
        sent = await self._sent(chosen.transform)
        if chosen.template is None or sent["body"] is None:
            return {**sent, "template": None, "said": None}
        applied = sent["transform"] == "applied"
        document = sent["body"] if applied else self._document
        return {**sent, **await self._said(chosen.template, destination, document)}

    async def _sent(self, transform: LinkTransform | None) -> dict[str, Any]:
        if transform is None:
            return {"transform": None, "body": self._event.body}
        result = await self._evaluator.evaluate(
            transform.expression,
            self._document,
            owner="explain",
            bindings=self._names if transform.bound else None,
        )
        if isinstance(result, Value):
            return {"transform": "applied", "body": result.json}
        if isinstance(result, Fault):
            return {"transform": f"not evaluated, to be tried again: {result.reason}", "body": None}
        if transform.on_error == "fail":
            return {"transform": f"failed: {result.reason}", "body": None}
        said = f"failed, original sent: {result.reason}"
        return {"transform": said, "body": self._event.body}

    async def _said(self, template: LinkTemplate, to: str, document: bytes) -> dict[str, Any]:
        name, variant = template.name, template.variant
        result = await self._evaluator.evaluate(
            template.source,
            document,
            owner="explain",
            bindings=template_names(self._event, to),
            kind=TEMPLATE,
        )
        if isinstance(result, Value):
            tree = orjson.loads(result.json)["tree"]
            why = said_problem(said_of(variant, tree))
            if why is None:
                return {"template": f"{name}: applied", "said": {"variant": variant, "tree": tree}}
        else:
            why = result.reason
        if isinstance(result, Fault):
            return {"template": f"{name}: not rendered, to be tried again: {why}", "said": None}
        noted = f"{name}: failed, the destination's own wording sent: {why}"
        return {"template": noted, "said": None}
