"""Posting to an endpoint over one connection, as `send` does."""

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from dispatchd.cli.request import Target
from dispatchd.errors import DispatchdError
from dispatchd.strangers import printable

TIMEOUT_S: Final = 30
REPLY_MAX_BYTES: Final = 64 * 1024

Headers = Sequence[tuple[str, str]]


class Reply(NamedTuple):
    """An answer. `event_id` is what a header says, where the endpoint has an answer of its own."""

    status: int
    body: bytes
    event_id: str | None
    retry_after: str | None

    @property
    def ok(self) -> bool:
        """Whether the webhook was taken."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's success

    def fields(self) -> dict[str, Any]:
        """Return the reply's JSON object; of anything else, its text as `reply`."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return document
        return {"reply": self.body.decode("utf-8", "backslashreplace")}

    def told(self) -> str:
        """Return what it says of what went wrong, for people."""
        error = self.fields().get("error")
        if isinstance(error, dict):
            return printable(f"{error.get('code')}: {error.get('message')}")
        return self.one_line()

    def one_line(self) -> str:
        """Return the beginning of its body."""
        return printable(self.body.decode("utf-8", "backslashreplace").strip()[:200])


class Poster:
    """Posts; a connection to one place is kept open. An async context manager."""

    def __init__(self, unix_path: str | None, header_prefix: str) -> None:
        self._unix_path = unix_path
        self._id_header = f"X-{header_prefix}-Event-ID"

    async def __aenter__(self) -> Self:
        import aiohttp  # noqa: PLC0415 - not for --help

        connector: aiohttp.BaseConnector
        if self._unix_path is not None:
            connector = aiohttp.UnixConnector(self._unix_path)
        else:
            connector = aiohttp.TCPConnector()
        self._session: aiohttp.ClientSession = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(self, target: Target, query: str, headers: Headers, body: bytes) -> Reply:
        """Post and return the answer. Raises DispatchdError where none comes."""
        import aiohttp  # noqa: PLC0415 - not for --help

        where = target.shown
        url = with_query(target.url, query)
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                reply = bytearray()
                while len(reply) < REPLY_MAX_BYTES and (chunk := await response.content.readany()):
                    reply += chunk
                told = response.headers
                return Reply(
                    response.status,
                    bytes(reply),
                    told.get(self._id_header),
                    told.get("Retry-After"),
                )
        except aiohttp.ClientConnectorError as error:
            why = error.os_error.strerror or str(error.os_error)
            raise DispatchdError(
                f"cannot connect to {where} ({why}): is `dispatchd serve` running?"
            ) from error
        except TimeoutError as error:
            raise DispatchdError(f"{where} gave no answer within {TIMEOUT_S} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DispatchdError(f"{where} gave no proper answer: {error}") from error


def with_query(url: str, query: str) -> str:
    """Return a URL with a query behind what it has."""
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url
