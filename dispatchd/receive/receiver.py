"""One webhook, start to end: read, verify, type, match, commit, 202."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from dispatchd.clock import Clock, new_id
from dispatchd.errors import StoreUnavailable, WriteRejected
from dispatchd.log import Log
from dispatchd.match import event_type
from dispatchd.model import Delivery, Event, EventStatus
from dispatchd.receive.body import BodyBudget, NoRoom, Reservation, TooLarge, read_body
from dispatchd.receive.document import NotJson, parse_json
from dispatchd.receive.routes import Route, Routes
from dispatchd.store.base import Store
from dispatchd.store.health import StoreHealth
from dispatchd.verify import Rejected, storable_headers, verify

Wake = Callable[[Event, Sequence[Delivery]], None]

HOOKS: Final = "/hooks/"
# How long a sender should wait before it tries again, by why it was not kept.
RETRY_AFTER_S: Final = {"overloaded": 1, "locked": 2, "closed": 5}
RETRY_AFTER_DEFAULT_S: Final = 10  # a full or failing disk takes somebody to mend it


@dataclass(slots=True)
class Refusal(Exception):  # noqa: N818 - an answer, not a mistake of ours
    """A request ends here with an error of the contract."""

    status: int
    code: str
    message: str
    headers: dict[str, str] | None = None
    close: bool = False


class Receiver:
    """Answers the public listener. `routes` may be replaced at any time, as a whole."""

    def __init__(
        self,
        routes: Routes,
        *,
        store: Store,
        health: StoreHealth,
        clock: Clock,
        log: Log,
        wake: Wake,
    ) -> None:
        self.routes = routes
        self.stopping = False
        self._store = store
        self._health = health
        self._clock = clock
        self._log = log
        self._wake = wake
        self._bodies = BodyBudget()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if path.startswith(HOOKS):
            return await self._hook(request, path[len(HOOKS) :])
        if path == "/healthz":
            return self._healthz(request)
        return _error(Refusal(404, "not_found", "there is nothing here"))

    def _healthz(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return _error(
                Refusal(405, "method_not_allowed", "use GET", headers={"Allow": "GET, HEAD"})
            )
        if self.stopping or not self._health.good:
            return web.json_response({"status": "unavailable"}, status=503)
        return web.json_response({"status": "ok"})

    async def _hook(self, request: web.BaseRequest, slug: str) -> web.Response:
        started_s = time.perf_counter()
        fields: dict[str, Any] = {"endpoint": slug}
        try:
            with Reservation(self._bodies) as reserved:
                event = await self._accept(request, slug, reserved, fields)
            response = web.Response(
                status=202,
                body=b'{"event_id":"%s"}' % event.id.encode(),
                content_type="application/json",
            )
            self._log.info("event", status=202, **fields, latency_ms=_since_ms(started_s))
        except Refusal as refusal:
            response = _error(refusal)
            write = self._log.error if refusal.status == 503 else self._log.warning  # noqa: PLR2004
            write(
                "event",
                status=refusal.status,
                error=refusal.code,
                **fields,
                latency_ms=_since_ms(started_s),
            )
        return response

    async def _accept(
        self, request: web.BaseRequest, slug: str, reserved: Reservation, fields: dict[str, Any]
    ) -> Event:
        """Take one webhook to disk; raise Refusal where the contract says so."""
        routes = self.routes
        source_ip = request.remote or None
        if routes.client_ip.trusts:
            source_ip = routes.client_ip.find(
                source_ip, request.headers.getall("X-Forwarded-For", ())
            )
        fields["source_ip"] = source_ip
        route = routes.by_slug.get(slug)
        if route is None:
            raise Refusal(404, "unknown_endpoint", "there is no such endpoint")
        if request.method != "POST":
            raise Refusal(405, "method_not_allowed", "use POST", headers={"Allow": "POST"})
        if self.stopping:
            raise _unavailable("closed", "shutting down")
        body = await self._read(request, routes.max_body_bytes, reserved)
        fields["body_bytes"] = len(body)
        proof = verify(
            request.headers,
            body,
            secrets=route.secrets,
            api_keys=routes.api_keys,
            open_to_all=route.open_to_all,
        )
        if isinstance(proof, Rejected):
            raise Refusal(401, proof.code, proof.message)
        fields["auth"] = proof.by
        try:
            document = parse_json(body)
        except NotJson as error:
            raise Refusal(400, "invalid_json", f"the body is not JSON: {error}") from None
        kind = event_type(request.headers, document, route.event_type_path)
        del document  # a large one should not wait for the disk with its body
        event, destinations = self._event(request, route, kind, source_ip, body)
        fields["event_id"] = event.id
        fields["event_type"] = kind
        fields["destinations"] = len(destinations)
        await self._commit(event, destinations)
        return event

    async def _read(self, request: web.BaseRequest, max_bytes: int, reserved: Reservation) -> bytes:
        try:
            return await read_body(request, max_bytes, reserved)
        except TooLarge:
            raise Refusal(
                413, "too_large", f"the body is over {max_bytes} bytes", close=True
            ) from None
        except NoRoom:
            refusal = _unavailable("overloaded", "too many large bodies at once")
            refusal.close = True
            raise refusal from None
        except ConnectionError:  # nobody is left to read the answer, but the log is
            raise Refusal(400, "disconnected", "the sender went away", close=True) from None
        except web.RequestPayloadError:
            raise Refusal(400, "bad_request", "the body is malformed", close=True) from None

    def _event(
        self,
        request: web.BaseRequest,
        route: Route,
        kind: str | None,
        source_ip: str | None,
        body: bytes,
    ) -> tuple[Event, list[str]]:
        """Build the event and say where it is to go."""
        destinations = [link.destination for link in route.links if link.wants(kind)]
        turned_away = bool(route.links) and not destinations
        event = Event(
            id=new_id(),
            endpoint=route.slug,
            endpoint_id=route.endpoint_id,
            received_ms=self._clock.now_ms(),
            event_type=kind,
            source_ip=source_ip,
            status=EventStatus.FILTERED if turned_away else EventStatus.RECEIVED,
            filtered_by="event_types" if turned_away else None,
            content_type="application/json",
            headers=storable_headers(request.headers),
            body=body,
        )
        return event, destinations

    async def _commit(self, event: Event, destinations: list[str]) -> None:
        """Keep the event, then wake its lanes."""
        try:
            deliveries = await self._store.add_event(event, destinations)
        except StoreUnavailable as error:
            self._health.failed(error)
            raise _unavailable(error.reason, "the event could not be kept") from None
        except WriteRejected as error:
            self._log.error("internal_error", event_id=event.id, error=str(error))
            raise Refusal(400, "bad_request", "the request cannot be stored") from None
        self._health.worked()
        if deliveries:
            self._wake(event, deliveries)


def _unavailable(reason: str, message: str) -> Refusal:
    seconds = RETRY_AFTER_S.get(reason, RETRY_AFTER_DEFAULT_S)
    return Refusal(
        503, f"unavailable_{reason}", f"{message}; try again", headers={"Retry-After": str(seconds)}
    )


def _error(refusal: Refusal) -> web.Response:
    response = web.Response(
        status=refusal.status,
        body=orjson.dumps({"error": {"code": refusal.code, "message": refusal.message}}),
        content_type="application/json",
        headers=refusal.headers,
    )
    if refusal.close:
        response.force_close()
    return response


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 3)
