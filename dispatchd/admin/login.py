"""Logging in and out with a browser: the token once, then a cookie that scripts cannot read."""

from html import escape
from typing import Final

import orjson
from aiohttp import web

from dispatchd.admin.body import read_form
from dispatchd.admin.guard import COOKIE, SESSION, Guard
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.sessions import LASTS_S

FIRST: Final = "/api/v1/openapi.json"  # where a login leads: to what there is
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dispatchd: log in</title>
<main>
<h1>dispatchd</h1>
{note}<form method="post" action="/login">
<p><label for="token">Admin token</label><br>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<p><button>Log in</button>
</form>
</main>
</html>
"""


class Login:
    """The pages of a session's beginning and end."""

    def __init__(self, parts: AdminParts, guard: Guard) -> None:
        self._parts = parts
        self._guard = guard

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Show the form, unless there is nothing to log in to, or that is done."""
        if self._parts.running.spec.token is None or SESSION in request:
            raise web.HTTPSeeOther(FIRST)
        return _page("", 200)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """Begin a session."""
        given = (await read_form(request)).get("token", "")
        if not self._guard.check_login(request, given):
            return _page("That is not the token.", 401)
        response = web.HTTPSeeOther(FIRST)
        response.set_cookie(
            COOKIE,
            self._guard.sessions.begin(self._parts.clock.monotonic_s()),
            max_age=int(LASTS_S),
            path="/",
            httponly=True,
            samesite="Strict",
            # A proxy that speaks TLS says so; whoever lies here harms nobody else.
            secure=request.headers.get("X-Forwarded-Proto", "").lower() == "https",
        )
        raise response

    async def session(self, request: web.Request) -> web.StreamResponse:
        """Tell a script of ours what its requests are to carry; null without a session."""
        session = request.get(SESSION)
        told = {"csrf_token": None if session is None else session.csrf}
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        self._guard.sessions.end(request.cookies.get(COOKIE, ""))
        response = web.HTTPSeeOther("/login")
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        raise response


def _page(note: str, status: int) -> web.Response:
    shown = f'<p role="alert">{escape(note)}</p>\n' if note else ""
    return web.Response(text=_PAGE.format(note=shown), status=status, content_type="text/html")
