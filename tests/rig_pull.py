"""A daemon with a pull queue, and how its consumers ask."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from patience import HANG_S
from rig import SECRET, Daemon, FakeClock, StartDaemon
from rig_api import TOKEN, Api

KEY = "dsp_the-key-of-the-queue"
OTHER_KEY = "dsp_the-key-of-another"
CLAIM = "/api/v1/pull/jobs/claim"


def digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def queue_config(options: str = "", link: str = "jobs", extra: str = "") -> str:
    return f"""
admin: {{listen: '127.0.0.1:0', token: {TOKEN}}}
api_keys:
  - {{name: worker, hash: '{digest(KEY)}', pull: jobs}}
  - {{name: other, hash: '{digest(OTHER_KEY)}', pull: others}}
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [{link}]}}
  second: {{secret: {SECRET}, destinations: [others]}}
destinations:
  jobs: {{type: pull{options}}}
  others: {{type: pull}}
{extra}
"""


@dataclass
class Queue:
    """One queue of a daemon, asked with its key."""

    daemon: Daemon
    name: str = "jobs"
    key: str | None = KEY

    @property
    def admin(self) -> Api:
        """The API, with the admin token."""
        return Api(self.daemon)

    async def ask(self, word: str, **body: Any) -> tuple[int, Any]:
        """Return status and document."""
        path = f"/api/v1/pull/{self.name}/{word}"
        status, document, _ = await Api(self.daemon, self.key).ask("POST", path, json=body)
        return status, document

    async def claim(self, most: int = 10, **body: Any) -> list[dict[str, Any]]:
        """Claim, which must work; return what was handed over."""
        status, document = await self.ask("claim", max=most, **body)
        assert status == 200, document
        return list(document["items"])

    async def done(self, word: str, lease_id: str, **body: Any) -> Any:
        """Ack, nack or extend, which must work; return the document."""
        status, document = await self.ask(word, lease_id=lease_id, **body)
        assert status == 200, document
        return document

    async def attempts(self, event_id: str) -> list[tuple[int, str | None, str | None]]:
        """Return the attempts at an event's delivery: number, error, message."""
        story = await self.daemon.store.get_event(event_id)
        assert story is not None
        return [(a.number, a.error and a.error.value, a.message) for a in story.attempts]

    async def status(self, event_id: str) -> str:
        """Return the status of an event's delivery."""
        story = await self.daemon.store.get_event(event_id)
        assert story is not None
        return story.deliveries[0].status.value


async def start_queue(
    start_daemon: StartDaemon, yaml: str | None = None, clock: FakeClock | None = None
) -> Queue:
    return Queue(await start_daemon(yaml or queue_config(), clock=clock))


async def polls(queue: Queue, count: int) -> None:
    """Return when so many claims wait in the daemon."""
    parts = queue.daemon.app._admin._wired._listener._parts  # type: ignore[union-attr]
    lane = parts.queue(queue.name)
    async with asyncio.timeout(HANG_S):
        while len(lane._waiting) != count:
            await queue.admin.ask("GET", "/healthz")
