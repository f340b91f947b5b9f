"""How the API of a daemon is asked."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rig import Daemon

TOKEN = "an-admin-token-of-some-length"


@dataclass
class Api:
    """The API of a daemon; `token` None sends none."""

    daemon: Daemon
    token: str | None = TOKEN

    async def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **kwargs: Any
    ) -> tuple[int, Any, Any]:
        """Return status, document (of JSON, else the bytes) and headers."""
        auth = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        async with self.daemon.http.request(
            method,
            f"{self.daemon.admin_url}{path}",
            headers={**auth, **(headers or {})},
            allow_redirects=False,
            **kwargs,
        ) as response:
            body = await response.read()
            is_json = "json" in response.content_type
            return response.status, json.loads(body) if is_json else body, response.headers

    async def get(self, path: str, **query: Any) -> Any:
        """Return the document of what must be there."""
        status, document, _ = await self.ask("GET", f"/api/v1{path}", params=query)
        assert status == 200, document
        return document

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """Post JSON; return the document of the answer, which must have this status."""
        got, document, _ = await self.ask("POST", f"/api/v1{path}", json=body)
        assert got == status, document
        return document


StartApi = Callable[..., Awaitable[Api]]
