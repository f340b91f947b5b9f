"""One webhook, start to end: read, verify, type, match, commit, 202."""

import asyncio
import random
import time
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from aiohttp import web

from dispatchd.clock import Clock, new_id
from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.facts import InternalError, Tell, WebhookAnswered
from dispatchd.match import Subject
from dispatchd.model import Delivery, Event, EventStatus, event_bytes
from dispatchd.receive.answers import (
    HttpAnswer,
    Refusal,
    json_answer,
    refused,
    unavailable,
)
from dispatchd.receive.body import TooLarge, body_at_hand, read_body
from dispatchd.receive.client_ip import ClientIp, client_key
from dispatchd.receive.decision import Decision
from dispatchd.receive.judge import Judge
from dispatchd.receive.refusals import Refusals
from dispatchd.receive.room import NoRoom, Room, Share
from dispatchd.receive.routes import Route, Routes
from dispatchd.store.base import Duplicate, Idempotency, Intake
from dispatchd.store.health import StoreHealth
from dispatchd.trace_context import trace_headers
from dispatchd.verify import Answer, Inbound, storable_headers

HOOKS: Final = "/hooks/"
NOSNIFF: Final = {"X-Content-Type-Options": "nosniff"}
_RECEIVED, _FILTERED = EventStatus.RECEIVED, EventStatus.FILTERED


class Takers(Protocol):
    """Who delivers what is kept: those that have room for an event have it claimed for them."""

    def offer(self, destinations: Sequence[str], size_bytes: int) -> Sequence[str]:
        """Return who has room for an event; the room is theirs until `push` or `withdraw`."""

    def withdraw(self, offered: Sequence[str], size_bytes: int) -> None:
        """Take an offer back: the event was not kept."""

    def push(self, event: Event, claimed: Sequence[Delivery], destinations: Sequence[str]) -> None:
        """Hand over a committed event with the deliveries that were claimed."""


class Visitor(Protocol):
    """Fetches a pinned URL for what that does there: it confirms a subscription."""

    async def visit(self, url: str) -> bool:
        """Fetch it, at most once; whether it was answered 200."""


class Receiver:
    """Answers the public listener. `routes` may be replaced at any time, as a whole.

    `draining` says that the daemon is about to end: `/healthz` says so and load balancers leave,
    but what comes is still taken. `stopping` says that nothing can be taken any more.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        judge: Judge,
        store: Intake,
        health: StoreHealth,
        clock: Clock,
        tell: Tell,
        takers: Takers,
        visitor: Visitor,
        refusals: Refusals,
    ) -> None:
        self.routes = routes
        self.draining = False
        self.stopping = False
        self._judge = judge
        self._store = store
        self._health = health
        self._clock = clock
        self._tell = tell
        self._takers = takers
        self._visitor = visitor
        self._refusals = refusals
        self._room = Room()
        self._shown: set[str] = set()  # endpoints of which a handshake was shown

    def handle(self, request: web.BaseRequest) -> Awaitable[HttpAnswer]:
        """Answer one request."""
        path = request.path
        if path.startswith(HOOKS):
            slug = path[len(HOOKS) :]
            if "/" in slug and "%2f" in request.raw_path.partition("?")[0].lower():
                slug = slug.replace("/", "%2F")  # a slug's own slashes are written as such
            return self._hook(request, slug)
        return self._no_hook(request, path)

    async def _no_hook(self, request: web.BaseRequest, path: str) -> HttpAnswer:
        if path == "/healthz":
            return self._healthz(request)
        return refused(Refusal(404, "not_found", "there is nothing here"))

    def _healthz(self, request: web.BaseRequest) -> HttpAnswer:
        if request.method not in ("GET", "HEAD"):
            return refused(
                Refusal(405, "method_not_allowed", "use GET", headers={"Allow": "GET, HEAD"})
            )
        if self.draining or self.stopping:
            return json_answer(503, {"status": "stopping"})
        if not self._health.takes:
            return json_answer(503, {"status": "unavailable"})
        return json_answer(200, {"status": "ok"})

    async def _hook(self, request: web.BaseRequest, slug: str) -> HttpAnswer:
        """Take one webhook and answer it; what is told of it waits until the answer is written."""
        began_s = time.perf_counter()
        told = WebhookAnswered(slug, method=request.method, began_s=began_s)
        try:
            answer = await self._take(request, slug, told)
        except Refusal as refusal:
            answer = refused(refusal)
            told.error = refusal.code
            self._note(request, slug, refusal, told)
            if refusal.pause_s and not (self.draining or self.stopping):
                await asyncio.sleep(refusal.pause_s * random.uniform(1, 2))  # noqa: S311 - no secret
        if told.event is None:
            told.trace = trace_headers(request.headers.items())
        told.status = answer.status
        told.latency_ms = round((time.perf_counter() - began_s) * 1000, 3)
        answer.then = partial(self._tell, told)
        return answer

    def _note(
        self, request: web.BaseRequest, slug: str, refusal: Refusal, told: WebhookAnswered
    ) -> None:
        """Have the last refused requests kept."""
        route = self.routes.by_slug.get(slug)
        body, told.body = told.body, None
        self._refusals.note(
            told,
            refusal,
            None if route is None else route.refused,
            method=request.method,
            headers=request.headers,
            secret_headers=frozenset()
            if route is None
            else frozenset(route.verifier.secret_headers),
            body=body,
        )

    async def _take(  # noqa: C901 - each webhook comes through here, and waits only where it must
        self, request: web.BaseRequest, slug: str, told: WebhookAnswered
    ) -> HttpAnswer:
        """Take one webhook to disk, noting in `told` what is known; else raise its Refusal."""
        routes = self.routes
        source_ip = told.source_ip = _source_ip(request, routes.client_ip)
        route = self._admitted(slug, source_ip)
        if request.method not in route.methods:
            return self._not_a_post(request, route, told)
        if self.stopping:
            raise unavailable("closed", "shutting down")
        if self._health.disk_low:
            raise unavailable("disk_low", "the disk is nearly full")
        stranger = client_key(source_ip or "")
        with Share(self._room, stranger if source_ip else None) as share:
            body = body_at_hand(request, routes.max_body_bytes, share)
            if body is None:
                body = await self._read(request, routes.max_body_bytes, share)
            told.body_bytes = len(body)
            told.read_s = time.perf_counter()
            if route.refused.body:
                told.body = body
            now_ms = self._clock.now_ms()
            sender = _sender(request, body, now_ms)
            try:
                proof, content = self._judge.prove_at_once(route, sender), None
                if proof is None:
                    proof, content = await self._judge.prove(route, sender, stranger)
            except Refusal as refusal:
                greeting = await self._judge.greet(route, sender, refusal, stranger)
                if greeting is None:
                    raise
                return self._answered(greeting, told)
            told.auth = proof.by
            if content is None:
                content = self._judge.read_at_once(route, sender)
            if content is None:
                proven = not route.verifier.open_to_all
                content = await self._judge.read(route, sender, stranger, proven=proven)
            judgement = await self._judge.judge(route, sender, content, source_ip)
            decision = judgement.decision
            told.judged_s = time.perf_counter()
            if decision is None:
                return await self._shaken(judgement.handshake, told)
            event = _event(
                sender, route, judgement.subject, decision, content.content_type, proof.by, now_ms
            )
            told.event, told.notes = event, judgement.notes
            told.destinations = decision.destinations
            idempotency = judgement.idempotency
            del content, judgement  # a large document should not wait for the disk with its body
            return await self._keep(event, decision, idempotency, route, told)

    def _admitted(self, slug: str, source_ip: str | None) -> Route:
        """Find the route, and whether this client may use it, before any body is read."""
        route = self.routes.by_slug.get(slug)
        if route is None:
            raise Refusal(404, "unknown_endpoint", "there is no such endpoint")
        if route.admission is not None:
            route.admission.check(source_ip, self._clock.monotonic_s())
        return route

    def _not_a_post(
        self, request: web.BaseRequest, route: Route, told: WebhookAnswered
    ) -> HttpAnswer:
        """Answer a handshake that comes as a GET or the like, and nothing else."""
        if request.method in route.verifier.methods:
            sender = _sender(request, b"", self._clock.now_ms())
            answer = route.verifier.handshake(sender, None)
            if answer is not None:
                return self._answered(answer, told)
        allow = ", ".join(sorted(route.methods | route.verifier.methods))
        use = " or ".join(sorted(route.methods))
        raise Refusal(405, "method_not_allowed", f"use {use}", headers={"Allow": allow})

    async def _read(self, request: web.BaseRequest, max_bytes: int, share: Share) -> bytes:
        try:
            return await read_body(request, max_bytes, share)
        except TooLarge:
            raise Refusal(
                413, "too_large", f"the body is over {max_bytes} bytes", close=True
            ) from None
        except NoRoom:
            refusal = unavailable("overloaded", "too many large bodies at once")
            refusal.close = True
            raise refusal from None
        except TimeoutError:
            raise Refusal(408, "timeout", "the body did not come in time", close=True) from None
        except ConnectionError:  # nobody is left to read the answer, but the log is
            raise Refusal(400, "disconnected", "the sender went away", close=True) from None
        except web.RequestPayloadError:
            raise Refusal(400, "bad_request", "the body is malformed", close=True) from None

    async def _shaken(self, answer: Answer | None, told: WebhookAnswered) -> HttpAnswer:
        """Answer a proven handshake, once what it asks for is done."""
        if answer is not None and answer.visit:
            if not await self._visitor.visit(answer.visit):
                raise unavailable("unconfirmed", "the subscription could not be confirmed")
            told.notes = [answer.note]
        return self._answered(answer, told)

    async def _keep(
        self,
        event: Event,
        decision: Decision,
        idempotency: Idempotency | None,
        route: Route,
        told: WebhookAnswered,
    ) -> HttpAnswer:
        """Commit the event, then wake its lanes and say 202."""
        destinations, rules = decision.destinations, decision.rules
        size_bytes = event_bytes(event)
        offered = self._takers.offer(destinations, size_bytes)
        added: Sequence[Delivery] | Duplicate | None = None
        try:
            added = await self._store.add_event(
                event, destinations, idempotency, claim=offered, rules=rules
            )
        except StoreUnavailable as error:
            self._health.failed(error)
            raise unavailable(error.reason, "the event could not be kept") from None
        except WriteRejected as error:
            self._tell(InternalError(str(error), event_id=event.id))
            raise Refusal(400, "bad_request", "the request cannot be stored") from None
        finally:
            if added is None or isinstance(added, Duplicate):
                self._takers.withdraw(offered, size_bytes)
        told.kept_s = time.perf_counter()
        self._health.worked()
        if isinstance(added, Duplicate):
            told.duplicate_of = added.event_id
            if route.idempotency is not None and route.idempotency.on_duplicate == "accept":
                return route.accepted(added.event_id)
            raise Refusal(
                409, "duplicate", "this webhook was received before", event_id=added.event_id
            )
        if destinations:
            self._takers.push(event, added, destinations)
        return route.accepted(event.id)

    def _answered(self, answer: Answer | None, told: WebhookAnswered) -> HttpAnswer:
        """Answer a provider's handshake: at once, and nothing is stored."""
        if answer is None:
            raise TypeError("a judgement is a decision or a handshake")
        told.handshake = True
        if answer.shown and told.endpoint not in self._shown:
            self._shown.add(told.endpoint)
            told.shown = answer.shown
        headers = {**NOSNIFF, **dict(answer.headers)}
        return HttpAnswer(answer.status, answer.body, answer.content_type, headers)


def _event(  # noqa: PLR0917 - all that is known of it, once for each webhook
    sender: Inbound,
    route: Route,
    subject: Subject,
    decision: Decision,
    content_type: str,
    auth: str,
    now_ms: int,
) -> Event:
    headers: Any = sender.headers
    return Event(
        id=new_id(),
        endpoint=route.slug,
        endpoint_id=route.endpoint_id,
        received_ms=now_ms,
        event_type=subject.event_type,
        source_ip=subject.source_ip,
        status=_RECEIVED if decision.filtered_by is None else _FILTERED,
        filtered_by=decision.filtered_by,
        content_type=content_type,
        headers=storable_headers(headers, route.verifier.secret_headers),
        body=sender.body,
        auth=auth,
        forward_headers=(
            route.proofs_to_keep(decision.destinations, headers) if route.proofs else ()
        ),
    )


def _source_ip(request: web.BaseRequest, client_ip: ClientIp) -> str | None:
    peer = request.remote or None
    if not client_ip.trusts:
        return peer
    headers = request.headers
    return client_ip.find(
        peer, headers.getall("X-Forwarded-For", ()), headers.getall("Forwarded", ())
    )


def _sender(request: web.BaseRequest, body: bytes, now_ms: int) -> Inbound:
    # The query as received: aiohttp's own URL requotes it, and signatures may cover it.
    query = request.raw_path.partition("?")[2]
    return Inbound(request.method, request.headers, query, body, now_ms / 1000)
