"""The config: as it was loaded, and whether the file on disk would do as well."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from dispatchd.admin.api.daemon import reload_config
from dispatchd.admin.api.insight import get_config
from dispatchd.admin.api.operation import Asked
from dispatchd.admin.dashboard.desk import Desk
from dispatchd.admin.dashboard.folding import folded_value
from dispatchd.admin.parts import Running
from dispatchd.admin.problems import Problem
from dispatchd.shapes.reload import ReloadFields

TREES_MAX_CHARS: Final = 50_000  # of all sections; the API has the rest

_Seen = tuple[int, ...] | None


class ConfigPage:
    """Shows the config, and reloads it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._checked: tuple[_Seen, Running, ReloadFields] | None = None
        self._checking: asyncio.Task[None] | None = None

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        return await self._shown(request, None)

    async def reload(self, request: web.Request) -> web.Response:
        """Take up the file as it is, or say why not; and show what came of it."""
        try:
            told = await reload_config(self._desk.parts, self._asked())
        except Problem as problem:
            if problem.status != 409:  # noqa: PLR2004 - the file's own problems
                raise
            problems = [error["message"] for error in problem.errors]
            told = ReloadFields(ok=False, changes=[], problems=problems, warnings=[])
        return await self._shown(request, told)

    async def _shown(self, request: web.Request, reloaded: ReloadFields | None) -> web.Response:
        desk = self._desk
        told = await get_config(desk.parts, self._asked())
        path = desk.parts.config_file()
        config = told["config"]
        long = {name: value for name, value in config.items() if isinstance(value, dict | list)}
        long = {name: value for name, value in long.items() if value}
        return await desk.pages.page(
            request,
            "config",
            {
                "section": "config",
                "title": "Config",
                "fingerprint": told["fingerprint"],
                "loaded": told["loaded"],
                "path": path,
                "found": self._found(path),
                "reloaded": reloaded,
                "sections": _sections(long),
                "short": [
                    {"name": name, "folded": folded_value(value)}
                    for name, value in config.items()
                    if name not in long
                ],
                "canonical": "/config",
            },
        )

    def _found(self, path: str) -> ReloadFields | None:
        """Return what a reload would do, of the file as it is; None while that is looked into."""
        if not path:
            return None
        seen, running = _look(path), self._desk.parts.running
        if self._checked is not None:
            checked_seen, checked_running, told = self._checked
            if checked_seen == seen and checked_running is running:
                return told
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check(seen, running))
        return None

    async def _check(self, seen: _Seen, running: Running) -> None:
        self._checked = (seen, running, await self._desk.parts.check())
        self._desk.pulse.touch()  # for the page that waits

    def _asked(self) -> Asked:
        return Asked({}, None, self._desk.parts.clock.now_ms())


def _sections(long: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is shown of each section: the short ones whole, then what there is room for."""
    left = TREES_MAX_CHARS
    shown: dict[str, str] = {}
    for name, value in sorted(long.items(), key=lambda one: len(str(one[1]))):
        shown[name] = folded_value(value, max(left // (len(long) - len(shown)), 0))
        left -= len(shown[name])
    for name, value in long.items():
        yield {"name": name, "folded": shown[name], "count": len(value)}


def _look(path: str) -> _Seen:
    try:
        found = os.stat(path)  # noqa: PTH116 - with everything that tells two apart
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
