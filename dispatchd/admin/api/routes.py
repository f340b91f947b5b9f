"""The table of operations on the application: every request is read in the same way."""

from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson
from aiohttp import web

from dispatchd.admin.api import daemon, destinations, events, insight, jobs, pull, stream
from dispatchd.admin.api.openapi import PREFIX, openapi
from dispatchd.admin.api.operation import Asked, Operation, Raw, query_values
from dispatchd.admin.api.types import flaws
from dispatchd.admin.api.writing import Spelled
from dispatchd.admin.body import read_body
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import FlawFields, Problem
from dispatchd.admin.stream.serving import StillIn, Stream
from dispatchd.receive.connection import hung_up

OPERATIONS: Final = (
    *insight.OPERATIONS,
    *destinations.OPERATIONS,
    *events.OPERATIONS,
    *stream.OPERATIONS,
    *jobs.OPERATIONS,
    *pull.OPERATIONS,
    *daemon.OPERATIONS,
)
FLAWS_MAX: Final = 100  # told of one body
_JSON_HEADERS: Final = {"Content-Type": "application/json"}
_RAW_HEADERS: Final = {
    "Content-Type": "application/octet-stream",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
}


def add_api(app: web.Application, parts: AdminParts, still_in: StillIn) -> None:
    """Add every operation to `app`, and the description of them all.

    `still_in` says whether who was let in, and is being answered, still may be.
    """
    description = b""

    async def describe(_: web.Request) -> web.Response:
        nonlocal description
        description = description or orjson.dumps(openapi(OPERATIONS))
        return web.Response(body=description, content_type="application/json")

    app.router.add_get(f"{PREFIX}/openapi.json", describe)
    for operation in OPERATIONS:
        path, handler = PREFIX + operation.path, _handler(operation, parts, still_in)
        if operation.method == "GET":
            head = operation.answer is not Stream  # whose head has no end either
            app.router.add_get(path, handler, allow_head=head)
        else:
            app.router.add_route(operation.method, path, handler)


def _handler(operation: Operation, parts: AdminParts, still_in: StillIn) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        now_ms = parts.clock.now_ms()
        errors: list[FlawFields] = []
        given = {
            **_path_values(operation, request.match_info, now_ms, errors),
            **query_values(operation.in_query, request.query.items(), now_ms, errors),
            **_header_values(operation, request, now_ms, errors),
        }
        body = None
        if operation.body is not None:
            body = await _body(operation, request, errors)
        if errors:
            raise Problem(400, "invalid", "the request cannot be read as it is", errors=errors)
        answer = await operation.handle(
            parts, Asked(given, body, now_ms, partial(_gone, request, still_in))
        )
        if isinstance(answer, Stream):
            return await answer.serve(request, still_in)
        headers = _JSON_HEADERS
        if isinstance(answer, Raw):
            spelled, headers = Spelled(answer.body), _raw_headers(answer)
        elif isinstance(answer, Spelled):
            spelled = answer
        else:
            spelled = Spelled(orjson.dumps(answer))
        del answer  # a large one would be in memory twice while it is read
        response = web.StreamResponse(status=operation.status, headers=headers)
        if parts.readiness() == "stopping":
            response.force_close()  # the connection is closed before another request is read
        return await spelled.answer(request, response, parts.log)

    return handle


def _gone(request: web.Request, still_in: StillIn) -> bool:
    """Whether whoever asks has hung up meanwhile, or would not be let in any more."""
    return hung_up(request) or not still_in(request)


def _raw_headers(answer: Raw) -> dict[str, str]:
    """Hand out a sender's bytes so that no browser takes them for anything."""
    return {
        **_RAW_HEADERS,
        "Content-Disposition": f'attachment; filename="{answer.filename}"',
    }


def _path_values(
    operation: Operation, found: Mapping[str, str], now_ms: int, errors: list[FlawFields]
) -> dict[str, Any]:
    given = {}
    for param in operation.in_path:
        try:
            given[param.name] = param.read(found[param.name], now_ms)
        except ValueError as error:
            errors.append({"name": param.name, "message": str(error)})
    return given


def _header_values(
    operation: Operation, request: web.Request, now_ms: int, errors: list[FlawFields]
) -> dict[str, Any]:
    given = {}
    for param in operation.in_header:
        if text := request.headers.get(param.name):
            try:
                given[param.name] = param.read(text, now_ms)
            except ValueError as error:
                errors.append({"name": param.name, "message": str(error)})
    return given


async def _body(operation: Operation, request: web.Request, errors: list[FlawFields]) -> Any:
    if request.content_type != "application/json":
        # A form of another site's page can say only what needs no leave; JSON is not among it.
        raise Problem(415, "not_json", "send the body as application/json")
    try:
        body = orjson.loads(await read_body(request, operation.body_max_bytes))
    except orjson.JSONDecodeError as error:
        raise Problem(400, "invalid_json", f"the body is not JSON: {error}") from None
    found = islice(flaws(body, operation.body, ""), FLAWS_MAX)
    errors += [{"name": name, "message": message} for name, message in found]
    return body
