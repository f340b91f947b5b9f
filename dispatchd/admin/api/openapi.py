"""The API's description, OpenAPI 3.1, made from the table of operations and its types."""

from collections.abc import Iterable
from typing import Any, Final

from dispatchd import __version__
from dispatchd.admin.api.operation import Operation, Param, Raw
from dispatchd.admin.api.types import Schemas, schema_of
from dispatchd.admin.problems import PROBLEM_JSON, ProblemFields
from dispatchd.admin.stream.serving import Stream
from dispatchd.shapes.live import LiveAttemptFields, LiveEventFields

PREFIX: Final = "/api/v1"
_ALWAYS: Final = (400, 401, 403, 408, 429, 431, 503)  # what any request may be answered
_WORDS: Final = {
    400: "Something in the request is wrong: `errors` says what.",
    401: "There is no token, or a wrong one.",
    403: "Another site's page asks, a session without its CSRF token, or another queue's key.",
    404: "There is no such thing.",
    408: "The head or the body did not come in time.",
    409: "It is not in a state for that.",
    413: "The body is too large.",
    415: "The body is not announced as JSON.",
    431: "The URL or a header is too large.",
    429: "Too many wrong tokens came from this address, or too many claims wait.",
    503: "The database cannot be asked now, or there is no room for an answer.",
}


def openapi(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the whole description."""
    named: Schemas = {}
    schema_of(ProblemFields, named)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, named)
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dispatchd",
            "version": __version__,
            "description": "See docs/api.md. Times are ISO 8601 in UTC; errors are RFC 9457.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": named,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "dispatchd_session"},
            },
        },
    }


def _operation(operation: Operation, named: Schemas) -> dict[str, Any]:
    errors = [*_ALWAYS, *operation.errors]
    if operation.in_path:
        errors.append(404)
    if operation.body is not None:
        errors += [413, 415]
    described: dict[str, Any] = {
        "operationId": operation.handle.__name__,
        "summary": operation.summary,
        "responses": {
            str(operation.status): _answer(operation.answer, named),
            **{str(status): _problem(status) for status in sorted(set(errors))},
        },
    }
    parameters = [
        *(_param(param, "path") for param in operation.in_path),
        *(_param(param, "query") for param in operation.in_query),
        *(_param(param, "header") for param in operation.in_header),
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": schema_of(operation.body, named)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _param(param: Param, place: str) -> dict[str, Any]:
    return {
        "name": param.name,
        "in": place,
        "required": place == "path",
        "description": param.description,
        "schema": dict(param.schema),
    }


def _answer(kind: Any, named: Schemas) -> dict[str, Any]:
    if kind is Raw:
        schema: dict[str, Any] = {"type": "string", "format": "binary"}
        content = {"application/octet-stream": {"schema": schema}}
        return {"description": "Bytes.", "content": content}
    if kind is Stream:
        # OpenAPI 3.1 has no words for what an event of a stream is.
        data = {
            "event": schema_of(LiveEventFields, named),
            "attempt": schema_of(LiveAttemptFields, named),
        }
        stream = {"schema": {"type": "string"}, "x-data-of-events": data}
        return {"description": "Events without an end.", "content": {"text/event-stream": stream}}
    return {
        "description": "Done.",
        "content": {"application/json": {"schema": schema_of(kind, named)}},
    }


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _WORDS[status], "content": {PROBLEM_JSON: {"schema": schema}}}
