"""Errors as problem documents, RFC 9457."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, NotRequired, TypedDict

import orjson
from aiohttp import web

PROBLEM_JSON: Final = "application/problem+json"


class FlawFields(TypedDict):
    """What is wrong with one value: `in` is query, path or body, `name` where in there."""

    name: str
    message: str


class ProblemFields(TypedDict):
    """Why a request was not done. `code` is a fixed word, `detail` for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: NotRequired[list[FlawFields]]


class Problem(Exception):  # noqa: N818 - an answer, not a mistake of ours
    """A request ends here, with a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FlawFields] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers

    def body(self) -> bytes:
        """Return the document."""
        fields: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.errors:
            fields["errors"] = self.errors
        return orjson.dumps(fields)

    def answer(self) -> web.Response:
        """Return the response with the document."""
        return web.Response(
            status=self.status,
            body=self.body(),
            content_type=PROBLEM_JSON,
            headers=self.headers,
        )


def not_found(what: str) -> Problem:
    """Return the answer to a question about what is not there."""
    return Problem(404, "not_found", f"there is no {what}")
