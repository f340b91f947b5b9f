"""How pages of the dashboard are asked for and weighed, without a browser."""

import re
from typing import Any

from rig_api import Api

HTML = {"Accept": "text/html,*/*"}
PAGE_MAX_BYTES = 100 * 1024


async def page(api: Api, path: str, status: int = 200, **kwargs: Any) -> str:
    got, body, headers = await api.ask("GET", path, headers=HTML, **kwargs)
    assert got == status, body
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    return str(body.decode())


async def weight(api: Api, text: str) -> int:
    """Return the bytes of a page with the files that it refers to."""
    total = len(text.encode())
    for path in set(re.findall(r'"(/static/[^"]+)"', text)):
        status, body, headers = await Api(api.daemon, None).ask("GET", path)
        assert status == 200
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        total += len(body)
    return total


def told(html: str) -> str:
    """Return what a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace(" ,", ",")
