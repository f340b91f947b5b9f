"""The body of a request: read within bounds of size and of time, whoever sends it."""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from dispatchd.admin.problems import Problem

READ_S: Final = 20.0  # for a whole body
FORM_MAX_BYTES: Final = 8 * 1024  # strangers may send it
FIELDS_MAX: Final = 32
FORM: Final = "application/x-www-form-urlencoded"
_READ: Final = web.RequestKey("body", bytes)


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """Return the body; asked again, the same. Raises Problem."""
    read = request.get(_READ)
    if read is None:
        too_large = Problem(413, "too_large", f"the body is over {most_bytes} bytes")
        if (request.content_length or 0) > most_bytes:
            raise too_large
        parts, left = [], most_bytes
        try:
            async with asyncio.timeout(READ_S):
                async for part in request.content.iter_any():
                    parts.append(part)
                    left -= len(part)
                    if left < 0:
                        raise too_large
        except TimeoutError:
            raise Problem(408, "timeout", "the body did not come in time") from None
        except (ConnectionError, web.RequestPayloadError):  # perhaps nobody reads the answer
            raise Problem(400, "bad_request", "the body did not come whole") from None
        read = request[_READ] = b"".join(parts)
    return read


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form, the last of each name. Raises Problem.

    What is no UTF-8 in it is no part of any token: it becomes U+FFFD, and no error quotes it.
    """
    if request.content_type != FORM:
        raise Problem(415, "not_a_form", f"send the form as {FORM}")
    text = (await read_body(request, FORM_MAX_BYTES)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        return {}
