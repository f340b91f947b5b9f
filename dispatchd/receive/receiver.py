"""One webhook, start to end: read, verify, type, match, commit, 202."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiohttp import web

from dispatchd.clock import Clock, new_id
from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.log import Log
from dispatchd.match import EVENT_TYPE_CUT, EVENT_TYPE_MAX_CHARS, Subject, event_type
from dispatchd.model import Delivery, Event, EventStatus
from dispatchd.reading.content import Content
from dispatchd.reading.document import NotJson
from dispatchd.reading.reader import CannotRead, Reader, is_soon_read, read_here
from dispatchd.receive.answers import (
    HttpAnswer,
    Refusal,
    accepted,
    json_answer,
    refused,
    unavailable,
)
from dispatchd.receive.body import TooLarge, read_body
from dispatchd.receive.client_ip import ClientIp, client_key
from dispatchd.receive.decide import decide
from dispatchd.receive.room import NoRoom, Room, Share
from dispatchd.receive.routes import Route, Routes
from dispatchd.store.base import Duplicate, Idempotency, Store
from dispatchd.store.health import StoreHealth
from dispatchd.verify import (
    Answer,
    Genuine,
    Rejected,
    Sender,
    storable_headers,
)

HOOKS: Final = "/hooks/"
NOSNIFF: Final = {"X-Content-Type-Options": "nosniff"}
# Hashing more than this keeps the loop for a millisecond or more; it lets the interpreter go.
RETRY_AFTER_CERTIFICATE_S: Final = 60
PROVE_HERE_MAX_BYTES: Final = 256 * 1024


class Takers(Protocol):
    """Who delivers what is kept: those that have room for an event have it claimed for them."""

    def offer(self, destinations: Sequence[str], size_bytes: int) -> Sequence[str]:
        """Return who has room for an event; the room is theirs until `push` or `withdraw`."""

    def withdraw(self, offered: Sequence[str], size_bytes: int) -> None:
        """Take an offer back: the event was not kept."""

    def push(self, event: Event, claimed: Sequence[Delivery], destinations: Sequence[str]) -> None:
        """Hand over a committed event with the deliveries that were claimed."""


class CertificateSource(Protocol):
    """Fetches a provider's certificate so that the verifier finds it."""

    async def ensure(self, url: str) -> bool:
        """Fetch the certificate behind a pinned URL, unless it is at hand; whether it is now."""


class Receiver:
    """Answers the public listener. `routes` may be replaced at any time, as a whole.

    `draining` says that the daemon is about to end: `/healthz` says so and load balancers leave,
    but what comes is still taken. `stopping` says that nothing can be taken any more.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        certificates: CertificateSource,
        evaluator: Evaluator,
        store: Store,
        health: StoreHealth,
        clock: Clock,
        log: Log,
        takers: Takers,
        reader: Reader,
    ) -> None:
        self.routes = routes
        self.draining = False
        self.stopping = False
        self._certificates = certificates
        self._evaluator = evaluator
        self._store = store
        self._health = health
        self._clock = clock
        self._log = log
        self._takers = takers
        self._reader = reader
        self._room = Room()

    async def handle(self, request: web.BaseRequest) -> HttpAnswer:
        """Answer one request."""
        path = request.path
        if path.startswith(HOOKS):
            return await self._hook(request, path[len(HOOKS) :])
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
        if not self._health.good:
            return json_answer(503, {"status": "unavailable"})
        return json_answer(200, {"status": "ok"})

    async def _hook(self, request: web.BaseRequest, slug: str) -> HttpAnswer:
        """Take one webhook, answer it, and write its one wide line."""
        started_s = time.perf_counter()
        fields: dict[str, Any] = {"endpoint": slug}
        write = self._log.info
        try:
            response = await self._take(request, slug, fields)
        except Refusal as refusal:
            response = refused(refusal)
            fields["error"] = refusal.code
            write = self._log.error if refusal.status == 503 else self._log.warning  # noqa: PLR2004
            if refusal.pause_s and not (self.draining or self.stopping):
                await asyncio.sleep(refusal.pause_s * random.uniform(1, 2))  # noqa: S311 - no secret
        write(
            "event",
            status=response.status,
            **fields,
            latency_ms=round((time.perf_counter() - started_s) * 1000, 3),
        )
        return response

    async def _take(
        self, request: web.BaseRequest, slug: str, fields: dict[str, Any]
    ) -> HttpAnswer:
        """Take one webhook to disk; raise Refusal where the contract says so."""
        routes = self.routes
        source_ip = fields["source_ip"] = _source_ip(request, routes.client_ip)
        route = self._admitted(slug, source_ip)
        if request.method != "POST":
            return self._not_a_post(request, route, fields)
        if self.stopping:
            raise unavailable("closed", "shutting down")
        with Share(self._room, client_key(source_ip) if source_ip else None) as share:
            body = await self._read(request, routes.max_body_bytes, share)
            fields["body_bytes"] = len(body)
            return await self._judge(request, route, body, source_ip, fields)

    async def _judge(
        self,
        request: web.BaseRequest,
        route: Route,
        body: bytes,
        source_ip: str | None,
        fields: dict[str, Any],
    ) -> HttpAnswer:
        """Prove, read, match and keep a body that is here."""
        headers = request.headers
        verifier = route.verifier
        now_ms = self._clock.now_ms()
        sender = _sender(request, body, now_ms)
        stranger = client_key(source_ip or "")
        proof, content = await self._proven(route, sender, stranger)
        fields["auth"] = proof.by
        if content is None:
            content = await self._content(route, sender, stranger, proven=not verifier.open_to_all)
        document = content.document
        answer = verifier.handshake(sender, document)
        if answer is not None:
            return _answered(answer, fields)
        own = verifier.event_type(headers, document)
        kind = event_type(headers, document, route.event_type_path, own)
        if kind is not None and len(kind) > EVENT_TYPE_MAX_CHARS:
            kind = kind[:EVENT_TYPE_MAX_CHARS]
            fields["notes"] = [EVENT_TYPE_CUT]
        rule = route.idempotency
        idempotency = None if rule is None else rule.of(headers, content, verifier, now_ms)
        subject = Subject(kind, headers, document, source_ip, content.json)
        decision = await decide(route, subject, self._evaluator)
        if decision.notes:
            fields["notes"] = [*fields.get("notes", ()), *decision.notes]
        destinations = decision.destinations
        filtered_by = decision.filtered_by
        content_type = content.content_type
        del document, content, subject  # a large one should not wait for the disk with its body
        event = Event(
            id=new_id(),
            endpoint=route.slug,
            endpoint_id=route.endpoint_id,
            received_ms=now_ms,
            event_type=kind,
            source_ip=source_ip,
            status=EventStatus.RECEIVED if filtered_by is None else EventStatus.FILTERED,
            filtered_by=filtered_by,
            content_type=content_type,
            headers=storable_headers(headers, verifier.secret_headers),
            body=body,
            auth=proof.by,
        )
        fields["event_id"] = event.id
        fields["event_type"] = kind
        if filtered_by is not None:
            fields["filtered_by"] = filtered_by
        fields["destinations"] = len(destinations)
        return await self._keep(event, destinations, idempotency, route, fields)

    async def _proven(
        self, route: Route, sender: Sender, stranger: str
    ) -> tuple[Genuine, Content | None]:
        """Prove the sender; also return what the body says where that had to be read for it."""
        verifier = route.verifier
        content: Content | None = None
        unreadable: Refusal | None = None
        if verifier.reads_first:
            try:
                content = await self._content(route, sender, stranger, proven=False)
            except Refusal as refusal:
                if refusal.status != 400:  # noqa: PLR2004
                    raise
                unreadable = refusal  # for who is proven by other means; it proves nobody itself
            sender = sender._replace(document=None if content is None else content.document)
        url = verifier.certificate_url(sender.headers)
        if url is not None and not await self._certificates.ensure(url):
            raise Refusal(
                503,
                "certificate_unavailable",
                "the provider's certificate cannot be had; try again",
                headers={"Retry-After": str(RETRY_AFTER_CERTIFICATE_S)},
            )
        if url is None and len(sender.body) <= PROVE_HERE_MAX_BYTES:
            proof = verifier.verify(sender)
        else:
            proof = await asyncio.to_thread(verifier.verify, sender)
        if isinstance(proof, Rejected):
            raise Refusal(401, proof.code, proof.message)
        if unreadable is not None:
            raise unreadable
        return proof, content

    async def _content(
        self, route: Route, sender: Sender, stranger: str, *, proven: bool
    ) -> Content:
        """Read the body: at once where that is soon done, else in a process of its own."""
        body = sender.body
        content_type = sender.headers.getall("Content-Type", [""])[0]
        try:
            if is_soon_read(body, content_type, route.asked.bodies):
                return read_here(body, content_type, route.asked)
            owner = route.slug if proven else stranger
            return await self._reader.read(
                body, content_type, route.asked, proven=proven, owner=owner
            )
        except NotJson as error:
            why = str(error)
            if sender.headers.getall("Content-Encoding", []):
                why = "it is compressed, which an endpoint takes only with body: any"
            raise Refusal(400, "invalid_json", f"the body is not JSON: {why}") from None
        except CannotRead as error:
            raise unavailable("overloaded", str(error)) from None

    def _admitted(self, slug: str, source_ip: str | None) -> Route:
        """Find the route, and whether this client may use it, before any body is read."""
        route = self.routes.by_slug.get(slug)
        if route is None:
            raise Refusal(404, "unknown_endpoint", "there is no such endpoint")
        if route.admission is not None:
            route.admission.check(source_ip, self._clock.monotonic_s())
        return route

    def _not_a_post(
        self, request: web.BaseRequest, route: Route, fields: dict[str, Any]
    ) -> HttpAnswer:
        """Answer a handshake that comes as a GET, and nothing else."""
        if request.method == "GET" and route.verifier.gets:
            sender = _sender(request, b"", self._clock.now_ms())
            answer = route.verifier.handshake(sender, None)
            if answer is not None:
                return _answered(answer, fields)
        allow = "GET, POST" if route.verifier.gets else "POST"
        raise Refusal(405, "method_not_allowed", "use POST", headers={"Allow": allow})

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

    async def _keep(
        self,
        event: Event,
        destinations: Sequence[str],
        idempotency: Idempotency | None,
        route: Route,
        fields: dict[str, Any],
    ) -> HttpAnswer:
        """Commit the event, then wake its lanes and say 202."""
        size_bytes = len(event.body)
        offered = self._takers.offer(destinations, size_bytes)
        added: Sequence[Delivery] | Duplicate | None = None
        try:
            added = await self._store.add_event(event, destinations, idempotency, claim=offered)
        except StoreUnavailable as error:
            self._health.failed(error)
            raise unavailable(error.reason, "the event could not be kept") from None
        except WriteRejected as error:
            self._log.error("internal_error", event_id=event.id, error=str(error))
            raise Refusal(400, "bad_request", "the request cannot be stored") from None
        finally:
            if added is None or isinstance(added, Duplicate):
                self._takers.withdraw(offered, size_bytes)
        self._health.worked()
        if isinstance(added, Duplicate):
            fields["event_id"] = added.event_id
            fields["duplicate"] = True
            if route.idempotency is not None and route.idempotency.on_duplicate == "accept":
                return accepted(added.event_id)
            raise Refusal(
                409, "duplicate", "this webhook was received before", event_id=added.event_id
            )
        if destinations:
            self._takers.push(event, added, destinations)
        return accepted(event.id)


def _source_ip(request: web.BaseRequest, client_ip: ClientIp) -> str | None:
    peer = request.remote or None
    if not client_ip.trusts:
        return peer
    headers = request.headers
    return client_ip.find(
        peer, headers.getall("X-Forwarded-For", ()), headers.getall("Forwarded", ())
    )


def _sender(request: web.BaseRequest, body: bytes, now_ms: int) -> Sender:
    # The query as received: aiohttp's own URL requotes it, and signatures may cover it.
    query = request.raw_path.partition("?")[2]
    return Sender(request.method, request.headers, query, body, now_ms / 1000)


def _answered(answer: Answer, fields: dict[str, Any]) -> HttpAnswer:
    """Answer a provider's handshake: at once, and nothing is stored."""
    fields["handshake"] = True
    return HttpAnswer(answer.status, answer.body, answer.content_type, NOSNIFF)
