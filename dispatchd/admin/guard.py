"""The door of the admin listener: who asks, whether a browser was tricked, and strict headers."""

import secrets
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from math import ceil
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from dispatchd.admin.body import FORM, read_form
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import PROBLEM_JSON, Problem
from dispatchd.admin.queue_keys import key_of, opens
from dispatchd.admin.sessions import Attempts, Session, Sessions, same_token
from dispatchd.errors import StoreUnavailable
from dispatchd.receive.answers import HttpAnswer, Refusal
from dispatchd.receive.client_ip import client_key

COOKIE: Final = "dispatchd_session"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Whoever asks for these need not say who it is; what it is told depends on that.
HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz"})
OPEN_PATHS: Final = frozenset({*HEALTH_PATHS, "/login"})
OPEN_PREFIX: Final = "/static/"
SESSION: Final = web.RequestKey("session", Session)
KNOWN: Final = web.RequestKey("known", bool)
CSRF: Final = web.RequestKey("csrf", str)  # what this request's forms are to carry
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
# A page has forms: without a referrer browsers would send them with `Origin: null`, as another
# site's page may. Other sites are told nothing by this either.
PAGE_REFERRER: Final = "same-origin"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the strict headers; a handler may have set its own."""
    if response.content_type == "text/html":
        response.headers.setdefault("Referrer-Policy", PAGE_REFERRER)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "dispatchd"


def spelled(refusal: Refusal) -> HttpAnswer:
    """Return the answer to what never became a request: as strict as any, and a problem too."""
    problem = Problem(refusal.status, refusal.code, refusal.message)
    headers = {**HEADERS, **(refusal.headers or {})}
    body = problem.body()
    return HttpAnswer(refusal.status, body, PROBLEM_JSON, headers, close=refusal.close)


class Guard:
    """Lets requests in, or answers them."""

    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts
        self.sessions = Sessions()
        self._attempts = Attempts()
        # Without a token there are no sessions; forms carry this, which other sites cannot read.
        self._open_csrf = secrets.token_urlsafe(32)

    @property
    def _token(self) -> bytes | None:
        return self._parts.running.spec.token

    @web.middleware
    async def problems(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer whatever goes wrong with a problem document."""
        try:
            return await handler(request)
        except Problem as problem:
            return problem.answer()
        except web.HTTPRequestEntityTooLarge:
            return Problem(413, "too_large", "the body is too large").answer()
        except web.HTTPMethodNotAllowed as error:
            allow = ", ".join(sorted(error.allowed_methods))
            detail = f"use {allow}"
            return Problem(405, "method_not_allowed", detail, headers={"Allow": allow}).answer()
        except web.HTTPException as error:
            if error.status < 400:  # noqa: PLR2004 - a way on, not an error
                raise
            code = "not_found" if error.status == 404 else "bad_request"  # noqa: PLR2004
            return Problem(error.status, code, error.reason.lower()).answer()
        except StoreUnavailable as error:
            headers = {"Retry-After": "2"}
            return Problem(503, f"unavailable_{error.reason}", str(error), headers=headers).answer()
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours ends a request, not the daemon
            self._parts.log.error("internal_error", admin=request.path, error=repr(error))
            return Problem(500, "internal_error", "a fault of dispatchd's own").answer()

    @web.middleware
    async def door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who may come in."""
        self._check_host(request)
        session = self._session(request)
        bearer = request.headers.get("Authorization", "")
        path = request.path
        try:
            by_token = self._token is None or (bool(bearer) and self._check_token(request, bearer))
        except Problem:  # counted, but whether we are well is told to anybody
            if path not in HEALTH_PATHS:
                raise
            by_token = False
        known = by_token or session is not None
        if session is not None:
            request[SESSION] = session
        request[KNOWN] = known
        request[CSRF] = self._open_csrf if session is None else session.csrf
        if not known and path not in OPEN_PATHS and not path.startswith(OPEN_PREFIX):
            return self._turn_away(request)
        # Without a token a page could have a browser ask; a link that leads here is a person's.
        is_link = request.headers.get("Sec-Fetch-Dest", "document") == "document"
        if request.method not in SAFE or (self._token is None and not is_link):
            self._check_origin(request)
        if request.method not in SAFE:
            by_cookie = session is not None and not (by_token and bearer)
            by_form = self._token is None and not path.startswith("/api/")
            if (by_cookie or by_form) and path not in OPEN_PATHS:
                await _check_csrf(request, request[CSRF])
        return await handler(request)

    def still_in(self, request: web.Request) -> bool:
        """Whether who was let in would be let in now: by another token, after a logout."""
        if self._token is None:
            return True
        session = request.get(SESSION)
        if session is not None and self.sessions.goes_on(session, self._parts.clock.monotonic_s()):
            return True
        given = request.headers.get("Authorization", "").partition(" ")[2].strip()
        key = key_of(given, self._parts.running.spec.queue_keys)
        return same_token(given, self._token) if key is None else opens(key, request)

    def check_login(self, request: web.Request, given: str) -> bool:
        """Whether a login has the right token. Raises Problem for an address that must wait."""
        if self._token is None:
            return True
        return self._is_right(request, given)

    def _session(self, request: web.Request) -> Session | None:
        cookie = request.cookies.get(COOKIE)
        if cookie is None or self._token is None:
            return None
        return self.sessions.find(cookie, self._parts.clock.monotonic_s())

    def _check_token(self, request: web.Request, bearer: str) -> bool:
        """Whether a bearer token opens what is asked for. Raises Problem for a wrong one."""
        scheme, _, given = bearer.partition(" ")
        if scheme.lower() != "bearer":
            return False
        given = given.strip()
        key = key_of(given, self._parts.running.spec.queue_keys)
        if key is None or self._must_wait(request):
            if not self._is_right(request, given):
                raise _unauthenticated("the token is not the right one")
            return True
        if opens(key, request):
            return True
        if request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIX):
            return False
        raise Problem(403, "another_key", f"this key opens the queue {key.queue}, and nothing else")

    def _is_right(self, request: web.Request, given: str) -> bool:
        """Whether it is the admin token. Raises Problem for an address that must wait."""
        address = self._address(request)
        wait_s = self._must_wait(request)
        if wait_s:
            raise Problem(
                429,
                "too_many_attempts",
                "too many wrong tokens came from this address; try again later",
                headers={"Retry-After": str(ceil(wait_s))},
            )
        if same_token(given, self._token or b""):
            return True
        self._attempts.failed(address, self._parts.clock.monotonic_s())
        self._parts.log.warning("admin_refused", source_ip=address or None)
        return False

    def _must_wait(self, request: web.Request) -> float:
        """Return how long (s) an address must wait that came with too many wrong tokens."""
        return self._attempts.wait_s(self._address(request), self._parts.clock.monotonic_s())

    def _address(self, request: web.Request) -> str:
        headers = request.headers
        found = self._parts.running.client_ip.find(
            request.remote, headers.getall("X-Forwarded-For", ()), headers.getall("Forwarded", ())
        )
        return client_key(found or "")

    def _turn_away(self, request: web.Request) -> web.StreamResponse:
        """Send a browser to the login, and tell anything else what is missing."""
        page = not request.path.startswith(("/api/", "/metrics"))
        if page and request.method in SAFE and "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPSeeOther("/login")
        raise _unauthenticated("a bearer token is required, or a login")

    def _check_host(self, request: web.Request) -> None:
        """Without a token, take requests by a name of this machine alone.

        Else any page in a browser here could have its own name point to this address, and ask.
        """
        listen = self._parts.running.spec.listen
        if self._token is not None or listen.path is not None:
            return
        try:
            name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        except ValueError:
            name = ""
        if name != "localhost" and not _is_loopback(name):
            raise Problem(
                403,
                "wrong_host",
                "without admin.token this listener answers to localhost, 127.0.0.1 and [::1] alone",
            )

    def _check_origin(self, request: web.Request) -> None:
        """Refuse what another site's page has a browser do."""
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        host = request.headers.get("Host", "")
        same = origin is None or (bool(host) and origin.partition("://")[2] == host)
        if not same or site not in ("same-origin", "none"):
            raise Problem(403, "cross_site", "another site's page may not do this")


def _unauthenticated(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer realm="dispatchd"'}
    return Problem(401, "unauthenticated", detail, headers=headers)


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


async def _check_csrf(request: web.Request, wanted: str) -> None:
    """Refuse what does not carry the token of our own forms: the cookie alone is no proof."""
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.content_type == FORM:
        given = (await read_form(request)).get(CSRF_FIELD)
    if given is None or not same_token(given, wanted.encode()):
        raise Problem(403, "csrf", f"the {CSRF_HEADER} of this session is missing or wrong")
