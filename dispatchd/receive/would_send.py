"""What would be sent of an event over each of its links, for whoever explains it."""

from typing import TYPE_CHECKING, Any

import orjson

from dispatchd.evaluate.evaluator import Evaluator, Fault, Value
from dispatchd.evaluate.frames import TEMPLATE, template_source
from dispatchd.evaluate.said import said_of, said_problem
from dispatchd.match import bindings_json, template_names, wants_bindings
from dispatchd.model import Event
from dispatchd.templates.normal import variant_for
from dispatchd.verify import document_json

if TYPE_CHECKING:
    from dispatchd.config import Config, LinkConfig


class WouldSend:
    """Evaluates as delivery does, by the config as it is now; `content_type` is how it was read."""

    def __init__(
        self, config: "Config", event: Event, content_type: str, evaluator: Evaluator
    ) -> None:
        self._config = config
        self._event = event
        self._document = document_json(event.body, content_type)
        self._names = bindings_json(event.event_type, event.headers, event.endpoint)
        self._evaluator = evaluator

    async def over(self, link: "LinkConfig", rule: str | None) -> dict[str, Any]:
        """Return what would be sent over a link where `rule` matched, and how that comes about."""
        chosen = link if rule is None else link.named_rules()[rule]
        sent = await self._sent(chosen.transform, link.on_transform_error)
        if chosen.template is None or sent["body"] is None:
            return {**sent, "template": None, "said": None}
        applied = sent["transform"] == "applied"
        document = sent["body"] if applied else self._document
        return {**sent, **await self._said(chosen.template, link.to, document)}

    async def _sent(self, transform: str | None, on_error: str) -> dict[str, Any]:
        if transform is None:
            return {"transform": None, "body": self._event.body}
        bound = self._names if wants_bindings(transform) else None
        result = await self._evaluator.evaluate(
            transform, self._document, owner="explain", bindings=bound
        )
        if isinstance(result, Value):
            return {"transform": "applied", "body": result.json}
        if isinstance(result, Fault):
            return {"transform": f"not evaluated, to be tried again: {result.reason}", "body": None}
        if on_error == "fail":
            return {"transform": f"failed: {result.reason}", "body": None}
        said = f"failed, original sent: {result.reason}"
        return {"transform": said, "body": self._event.body}

    async def _said(self, name: str, to: str, document: bytes) -> dict[str, Any]:
        variants = self._config.templates[name]
        variant = variant_for(variants, self._config.destinations[to].type)
        result = await self._evaluator.evaluate(
            template_source(variant, variants[variant]),
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
