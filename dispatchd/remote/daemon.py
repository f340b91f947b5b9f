"""Where a daemon's admin listener is, how it is asked, and what its refusals mean."""

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dispatchd.errors import DispatchdError
from dispatchd.frozen import frozen
from dispatchd.strangers import printable

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

CONNECT_S: Final = 10.0
ANSWER_S: Final = 30.0
ANSWER_MAX_BYTES: Final = 128 * 1024 * 1024  # an event with the largest body, spelled as JSON
PROBLEM_MAX_BYTES: Final = 64 * 1024


class Unreachable(DispatchdError):  # noqa: N818 - a state of the network, not a mistake
    """Nothing proper came back; trying again may help, not before `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Refused(DispatchdError):  # noqa: N818 - likewise
    """The daemon, or whoever answered, said no: the same again would be answered the same."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@frozen
class DaemonAt:
    """The admin listener of a daemon: at `url`, whose host means nothing with a `unix_path`."""

    url: str
    token: str | None = field(default=None, repr=False)
    unix_path: str | None = None

    def __str__(self) -> str:
        return self.url if self.unix_path is None else f"unix:{self.unix_path}"

    def session(self) -> "ClientSession":
        """Return a session to ask it by. It reads no netrc and no proxy of the environment."""
        import aiohttp  # noqa: PLC0415 - not for --help

        connector: aiohttp.BaseConnector
        if self.unix_path is not None:
            connector = aiohttp.UnixConnector(self.unix_path)
        else:
            connector = aiohttp.TCPConnector()
        headers = {"User-Agent": "dispatchd"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S),
            auto_decompress=False,
        )

    def path(self, *parts: str) -> str:
        """Return the URL of an operation of its API."""
        return "/".join((f"{self.url}/api/v1", *(quote(part, safe="") for part in parts)))

    async def get(self, session: "ClientSession", *parts: str) -> Any:
        """Return a document. Raises Unreachable or Refused."""
        import aiohttp  # noqa: PLC0415 - likewise

        url = self.path(*parts)
        try:
            async with session.get(url, allow_redirects=False) as response:
                await self.check(response)
                return json.loads(await _read(response, ANSWER_MAX_BYTES))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self.unreachable(error) from error

    async def check(self, response: "ClientResponse") -> None:
        """Let an answer pass that is 200. Raises Unreachable or Refused."""
        status = response.status
        if status == 200:  # noqa: PLR2004 - OK
            return
        if 300 <= status < 400:  # noqa: PLR2004 - the token goes nowhere else
            raise Refused(status, f"{self} answered {status}: give the address that it leads to")
        detail = _detail(await _read(response, PROBLEM_MAX_BYTES))
        if status == 401:  # noqa: PLR2004 - Unauthorized
            what = "a token" if self.token is None else "another token"
            raise Refused(
                status, f"{self} wants {what}: set DISPATCHD_ADMIN_TOKEN, or use --token-file"
            )
        said = f"{self} answered {status}{f' ({detail})' if detail else ''}"
        if status >= 500 or status in (408, 429):  # noqa: PLR2004 - no fault of the question
            raise Unreachable(said, _seconds(response.headers))
        raise Refused(status, said)

    def unreachable(self, error: BaseException) -> DispatchdError:
        """Say why nothing came back, and whether it is worth another try."""
        import aiohttp  # noqa: PLC0415 - likewise

        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = printable(str(error.certificate_error))
            return Refused(0, f"{self} has a certificate that is not trusted: {why}")
        if isinstance(error, aiohttp.ClientSSLError):
            return Refused(0, f"{self} does not speak TLS as it should: {printable(str(error))}")
        if isinstance(error, aiohttp.ClientConnectorError):
            why = error.os_error.strerror or str(error.os_error)
            return Unreachable(f"cannot connect to {self} ({printable(why)})")
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self} gave no sign of life")
        if isinstance(error, aiohttp.ClientPayloadError):  # whose words are its parser's
            return Unreachable(f"the connection to {self} broke in the middle of an answer")
        return Unreachable(
            f"the connection to {self} broke ({printable(str(error) or repr(error))})"
        )


async def _read(response: "ClientResponse", most_bytes: int) -> bytes:
    found = bytearray()
    while chunk := await response.content.readany():
        found += chunk
        if len(found) > most_bytes:
            raise ValueError(f"the answer has more than {most_bytes} bytes")
    return bytes(found)


def _detail(body: bytes) -> str:
    """Return what a problem document says; of anything else nothing."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    said = [str(document.get("detail", ""))]
    errors = document.get("errors")
    listed = errors if isinstance(errors, list) else []
    said += [f"{one.get('name')} {one.get('message')}" for one in listed if isinstance(one, dict)]
    return printable("; ".join(text for text in said if text))[:500]


def _seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text[:6]) if text.isascii() and text.isdigit() else 0.0
