"""What is sent in place of an event's body: as its rule, its transform and its template say."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from dispatchd.compose import Fills, Speaks
from dispatchd.deliver.spec import LaneLink, LaneSpec, LinkTemplate, LinkTransform
from dispatchd.evaluate.evaluator import Evaluator, Fault, NoResult, Result, Value
from dispatchd.evaluate.first_match import first_match
from dispatchd.evaluate.frames import TEMPLATE
from dispatchd.frozen import frozen
from dispatchd.match import JsonataFilter, bindings_json, subject_json, template_names
from dispatchd.model import Delivery, ErrorClass, Event, Sent, Whose
from dispatchd.reading.subject import subject_of
from dispatchd.verify import document_json, is_form

if TYPE_CHECKING:
    from dispatchd.message import Said

READ_HERE_MAX_BYTES: Final = 64 * 1024


@frozen
class Content:
    """What an attempt sends, and what is to be said of how that came about.

    `sent` is None where the event's own body goes; `said` is what a template made, `filled` what
    those of the destination itself did, `rule` the one that chose, `transform` and `template`
    notes for the attempt.
    """

    sent: Sent | None = None
    said: "Said | None" = None
    rule: str | None = None
    transform: str | None = None
    template: str | None = None
    filled: Any = None

    @property
    def body(self) -> bytes | None:
        """What a transform made in place of the event's body, if one did."""
        return None if self.sent is None or self.said is not None else self.sent.body


@frozen
class Unsent:
    """Nothing can be sent: `content` says how far it came, `reason` why it came no further."""

    content: Content
    error: ErrorClass
    whose: Whose
    reason: str


@frozen
class Unsayable:
    """Why a destination cannot be told what a template said."""

    why: str


class Contents:
    """Makes the contents of one lane's attempts."""

    __slots__ = ("_blanks", "_courier", "_destination", "_evaluator", "_links", "_type")

    def __init__(self, spec: LaneSpec, evaluator: Evaluator) -> None:
        self._destination = spec.destination
        self._type = spec.type
        self._courier = spec.courier
        self._links = spec.links
        self._blanks = spec.blanks
        self._evaluator = evaluator

    async def make(self, delivery: Delivery, event: Event) -> Content | Unsent:
        """Make what goes of an event: what went before, or what the config now says."""
        made: Content | Unsent = Content(rule=delivery.rule)
        if delivery.as_sent is not None:
            made = self._again(delivery.as_sent, delivery.rule)
        elif (link := self._links.get(event.endpoint)) is not None:
            made = await self._over(link, delivery, event)
        if self._blanks is not None and isinstance(made, Content):
            made = await self._filled(self._blanks, made, event)
        return made

    async def _over(self, link: LaneLink, delivery: Delivery, event: Event) -> Content | Unsent:
        """Make what is sent of an event over a link, as the config now is."""
        content = Content(rule=delivery.rule)
        if link.rules and delivery.replays and delivery.attempts == delivery.attempts_before:
            chosen = await self._judged_afresh(link, event)
            if isinstance(chosen, Fault):
                return _ours(content, chosen)
            content = replace(content, rule=chosen)
        treatment = link.treatment(content.rule)
        if treatment.transform is not None:
            transformed = await self._transformed(treatment.transform, event, content)
            if isinstance(transformed, Unsent):
                return transformed
            content = transformed
        if treatment.template is not None:
            return await self._worded(treatment.template, event, content)
        return content

    async def _filled(self, blanks: str, content: Content, event: Event) -> Content | Unsent:
        """Fill the destination's own blanks, a `template_source`, from what is sent."""
        document = content.body
        result = await self._evaluator.evaluate(
            blanks,
            await _document(event) if document is None else document,
            owner=f"command of {self._destination}",
            bindings=template_names(event, self._destination),
            kind=TEMPLATE,
        )
        if isinstance(result, Fault):
            return _ours(content, result)
        if isinstance(result, NoResult):
            return Unsent(content, ErrorClass.COMMAND, Whose.CONTENT, result.reason)
        tree = orjson.loads(result.json)["tree"]
        why = self._courier.filled_problem(tree) if isinstance(self._courier, Fills) else None
        if why is not None:  # the same again would be no better
            return Unsent(content, ErrorClass.COMMAND, Whose.CONTENT, why)
        return replace(content, filled=tree)

    def _again(self, sent: Sent, rule: str | None) -> Content:
        """Return what was sent before, to be sent once more."""
        content = Content(sent, rule=rule, transform="as it was sent before")
        if sent.variant is None or sent.body is None:
            return content
        said = self._said(sent.variant, orjson.loads(sent.body))
        if isinstance(said, Unsayable):
            return Content(rule=rule, template=f"as it was said before: {_failed(said.why)}")
        return replace(content, said=said, transform=None, template="as it was said before")

    async def _judged_afresh(self, link: LaneLink, event: Event) -> str | Fault | None:
        """Return the rule that chooses for a replay; whether to skip was asked at receipt."""
        rules = [rule for rule in link.rules if not rule.skip]
        subject = subject_of(event)
        spelled = subject_json(subject)

        async def ask(chosen: JsonataFilter, name: str) -> Result:
            owner = f"{event.endpoint}: {name}, replayed"
            return await self._evaluator.evaluate(chosen.expression, spelled, owner=owner)

        match = await first_match(rules, subject, ask, self._destination)
        if match.fault is not None:
            return match.fault
        return None if match.rule is None else match.rule.name

    async def _transformed(
        self, transform: LinkTransform, event: Event, content: Content
    ) -> Content | Unsent:
        names = (
            bindings_json(event.event_type, event.headers, event.endpoint)
            if transform.bound
            else None
        )
        match await self._evaluator.evaluate(
            transform.expression, await _document(event), owner=transform.owner, bindings=names
        ):
            case Value(json=made):
                return replace(content, sent=Sent(made), transform="applied")
            case NoResult(reason=reason) if transform.on_error == "fail":
                failed = replace(content, transform=f"failed: {reason}")
                return Unsent(failed, ErrorClass.TRANSFORM, Whose.CONTENT, reason)
            case NoResult(reason=reason):
                return replace(content, transform=f"failed, original sent: {reason}")
            case Fault() as fault:
                return _ours(replace(content, transform=f"failed: {fault.reason}"), fault)

    async def _worded(
        self, template: LinkTemplate, event: Event, content: Content
    ) -> Content | Unsent:
        document = content.body
        if document is None:
            document = await _document(event)
        result = await self._evaluator.evaluate(
            template.source,
            document,
            owner=template.owner,
            bindings=template_names(event, self._destination),
            kind=TEMPLATE,
        )
        match result:
            case Fault() as fault:
                noted = f"{template.name}: failed: {fault.reason}"
                return _ours(replace(content, template=noted), fault)
            case NoResult(reason=reason):
                return replace(content, template=f"{template.name}: {_failed(reason)}")
            case Value(json=made):
                tree = orjson.loads(made)["tree"]
        said = self._said(template.variant, tree)
        if isinstance(said, Unsayable):
            return replace(content, template=f"{template.name}: {_failed(said.why)}")
        sent = Sent(orjson.dumps(tree), template.variant)
        return replace(content, sent=sent, said=said, template=f"{template.name}: applied")

    def _said(self, variant: str, tree: Any) -> "Said | Unsayable":
        """Read a rendered tree as what is said here."""
        # Few destinations are spoken to: the others need none of this.
        from dispatchd.evaluate.said import NORMAL, said_of, said_problem  # noqa: PLC0415

        if not isinstance(self._courier, Speaks):
            return Unsayable("this type of destination takes no template")
        if variant not in (NORMAL, self._type):
            return Unsayable(f"it is in the terms of {variant}")
        said = said_of(variant, tree)
        why = said_problem(said)
        return said if why is None else Unsayable(why)


def _failed(why: str) -> str:
    return f"failed, the destination's own wording sent: {why}"


def _ours(content: Content, fault: Fault) -> Unsent:
    return Unsent(content, ErrorClass.EVALUATOR, Whose.OURS, fault.reason)


async def _document(event: Event) -> bytes:
    """Return what expressions see of an event; a large form is read beside the loop."""
    if len(event.body) > READ_HERE_MAX_BYTES and is_form(event.content_type):
        return await asyncio.to_thread(document_json, event.body, event.content_type)
    return document_json(event.body, event.content_type)
