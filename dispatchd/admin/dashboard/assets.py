"""The files that pages refer to: served under names that change with what is in them."""

import hashlib
from importlib.resources import files
from typing import Final

from aiohttp import web

from dispatchd.admin.problems import not_found

PREFIX: Final = "/static/"
NAMES: Final = {
    "dashboard.css": "text/css",
    "dashboard.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HASH_DIGITS: Final = 12
_HEADERS: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class Assets:
    """Reads each file once, when the first page asks for it."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._served: dict[str, tuple[bytes, str]] = {}

    def url(self, name: str) -> str:
        """Return where a file is found by browsers."""
        if not self._urls:
            self._read()
        return self._urls[name]

    async def serve(self, request: web.Request) -> web.Response:
        """Answer with a file, which may be kept for ever: another has another name."""
        if not self._urls:
            self._read()
        found = self._served.get(request.match_info["name"])
        if found is None:
            raise not_found("such file")
        body, kind = found
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=_HEADERS)

    def _read(self) -> None:
        for name, kind in NAMES.items():
            body = (files(__package__) / "static" / name).read_bytes()
            stem, _, ending = name.partition(".")
            digest = hashlib.sha256(body).hexdigest()[:HASH_DIGITS]
            told = f"{stem}.{digest}.{ending}"
            self._served[told] = (body, kind)
            self._urls[name] = PREFIX + told
