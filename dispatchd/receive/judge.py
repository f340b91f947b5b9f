"""The one judgement of a webhook: proof, reading, type, filters, destinations.

The receiver acts on it and `explain` spells it out, so that they cannot disagree. A request that
is not to be taken ends in a Refusal.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.match import EVENT_TYPE_CUT, EVENT_TYPE_MAX_CHARS, Subject, event_type
from dispatchd.reading.content import Content
from dispatchd.reading.json_text import NotJson
from dispatchd.reading.reader import CannotRead, Reader, is_soon_read, read_here
from dispatchd.receive.answers import Refusal, unavailable
from dispatchd.receive.decision import Decision
from dispatchd.receive.routes import Route
from dispatchd.receive.whither import choose
from dispatchd.store.base import Idempotency
from dispatchd.verify import HASH_HERE_MAX_BYTES, Answer, Genuine, Inbound, Pinned, Rejected

RETRY_AFTER_PINNED_S: Final = 60


class PinnedFetcher(Protocol):
    """Fetches what a proof needs from elsewhere, so that the verifier finds it."""

    async def ensure(self, pinned: Pinned) -> bool:
        """Fetch a document, unless it is at hand; whether it is now."""


@dataclass(slots=True)
class Judgement:
    """What a webhook is and where it goes.

    `handshake` is the answer to one: then nothing is kept, and the rest is empty. `own_type` is
    what the provider's own place says of the type, and `notes` are for the log.
    """

    subject: Subject
    own_type: str | None = None
    idempotency: Idempotency | None = None
    decision: Decision | None = None
    handshake: Answer | None = None
    notes: Sequence[str] = ()


class Judge:
    """Judges webhooks, with what that takes."""

    def __init__(self, fetcher: PinnedFetcher, evaluator: Evaluator, reader: Reader) -> None:
        self._fetcher = fetcher
        self._evaluator = evaluator
        self._reader = reader

    def prove_at_once(self, route: Route, sender: Inbound) -> Genuine | None:
        """Prove the sender, if nothing has to be waited for; None where it has. Raises Refusal."""
        verifier = route.verifier
        if verifier.reads_first or len(sender.body) > HASH_HERE_MAX_BYTES:
            return None
        return None if verifier.pinned(sender) is not None else _genuine(verifier.verify(sender))

    async def prove(
        self, route: Route, sender: Inbound, stranger: str = ""
    ) -> tuple[Genuine, Content | None]:
        """Prove the sender; also return what the body says where that had to be read for it.

        `stranger` is whose turns an unproven body is read in. Raises Refusal: 401, 400 for a
        proven body that cannot be read, or 503.
        """
        verifier = route.verifier
        content: Content | None = None
        unreadable: Refusal | None = None
        if verifier.reads_first:
            try:
                content = await self.read(route, sender, stranger, proven=False)
            except Refusal as refusal:
                if refusal.status != 400:  # noqa: PLR2004
                    raise
                unreadable = refusal  # for who is proven by other means; it proves nobody itself
            sender = sender._replace(document=None if content is None else content.document)
        pinned = verifier.pinned(sender)
        if pinned is not None and not await self._fetcher.ensure(pinned):
            raise Refusal(
                503,
                f"{pinned.kind.name}_unavailable",
                f"the provider's {pinned.kind.name.replace('_', ' ')} cannot be had; try again",
                headers={"Retry-After": str(RETRY_AFTER_PINNED_S)},
            )
        if pinned is None and len(sender.body) <= HASH_HERE_MAX_BYTES:
            proof = verifier.verify(sender)
        else:
            proof = await asyncio.to_thread(verifier.verify, sender)
        proven = _genuine(proof)
        if unreadable is not None:
            raise unreadable
        return proven, content

    async def greet(
        self, route: Route, sender: Inbound, refusal: Refusal, stranger: str = ""
    ) -> Answer | None:
        """Answer a handshake that came without proof, and was refused for that.

        None where it is none; never raises.
        """
        if refusal.code != "unauthenticated" or not route.verifier.greets_unproven:
            return None
        try:
            document = (await self.read(route, sender, stranger, proven=False)).document
        except Refusal:
            document = None  # it may stand in a header
        return route.verifier.handshake(sender, document)

    async def read(
        self, route: Route, sender: Inbound, stranger: str = "", *, proven: bool
    ) -> Content:
        """Read the body: at once where that is soon done, else in a process of its own.

        Raises Refusal: 400 where the endpoint does not take such a body, or 503.
        """
        content = self.read_at_once(route, sender)
        if content is not None:
            return content
        try:
            return await self._reader.read(
                sender.body,
                _content_type(sender),
                route.asked,
                proven=proven,
                owner=route.slug if proven else stranger,
            )
        except NotJson as error:
            raise _not_json(error, sender) from None
        except CannotRead as error:
            raise unavailable("overloaded", str(error)) from None

    def read_at_once(self, route: Route, sender: Inbound) -> Content | None:
        """Read the body where that is soon done; None where it is not. Raises Refusal: 400."""
        body, content_type = sender.body, _content_type(sender)
        if not is_soon_read(body, content_type, route.asked.bodies):
            return None
        try:
            return read_here(body, content_type, route.asked)
        except NotJson as error:
            raise _not_json(error, sender) from None

    async def judge(
        self,
        route: Route,
        sender: Inbound,
        content: Content,
        source_ip: str | None,
        *,
        handshakes: bool = True,
    ) -> Judgement:
        """Judge what a proven sender sent. Waits only where a filter is JSONata."""
        verifier, document = route.verifier, content.document
        headers: Any = sender.headers  # both what a verifier and what a filter asks for
        if handshakes:
            answer = verifier.handshake(sender, document)
            if answer is not None:
                return Judgement(Subject(None, headers, None, source_ip), handshake=answer)
        own = verifier.event_type(headers, document)
        kind = verifier.named_type(headers)
        if kind is None:
            kind = event_type(headers, document, route.event_type_path, own)
        cut = kind is not None and len(kind) > EVENT_TYPE_MAX_CHARS
        if cut and kind is not None:
            kind = kind[:EVENT_TYPE_MAX_CHARS]
        rule = route.idempotency
        subject = Subject(kind, headers, document, source_ip, content.json)
        decision = route.always
        if decision is None:
            decision = await choose(route, subject, self._evaluator)
        return Judgement(
            subject,
            own,
            None if rule is None else rule.of(headers, content, verifier, int(sender.now_s * 1000)),
            decision,
            notes=[EVENT_TYPE_CUT, *decision.notes] if cut else decision.notes,
        )


def _genuine(proof: Genuine | Rejected) -> Genuine:
    if isinstance(proof, Rejected):
        raise Refusal(401, proof.code, proof.message)
    return proof


def _content_type(sender: Inbound) -> str:
    return sender.headers.getall("Content-Type", [""])[0]


def _not_json(error: NotJson, sender: Inbound) -> Refusal:
    why = str(error)
    if sender.headers.getall("Content-Encoding", []):
        why = "it is compressed, which an endpoint takes only with body: any"
    return Refusal(400, "invalid_json", f"the body is not JSON: {why}")
