"""Jobs: durable bulk tasks. What a batch did and how far it came are kept in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any, Protocol, TypedDict

from dispatchd.frozen import frozen
from dispatchd.model import DeliveryStatus, Event


class JobState(StrEnum):
    """How a job stands; one that is queued or running goes on, whatever crashes."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


OPEN_STATES = (JobState.QUEUED, JobState.RUNNING)


class LinkTerms(TypedDict):
    """What lets an endpoint's event over a link, as the config had it when the job was made.

    `event_types` has a list of globs for each of those who choose among them.
    """

    event_types: list[list[str]]
    filters: list[str | dict[str, Any]]
    rules: list["RuleTerms"]


class RuleTerms(TypedDict):
    """A rule of the link. The first that matches decides, and may skip the event."""

    event_types: list[str]
    filter: str | dict[str, Any] | None
    skip: bool


@frozen
class ReplayQuery:
    """Which deliveries to start afresh: those for which all that is given holds.

    With `to`, nothing starts afresh: a delivery to that destination is made of each event which has
    none, of the endpoints in `links`, by what the link of each carries; then `destination`,
    `statuses` and `as_sent` say nothing.

    Without `event_ids` every event is looked at; `statuses` are of deliveries, empty for any;
    `event_type` is a glob; events were received from `since_ms` on and before `until_ms` (Unix
    ms). `filter` is one of the config's, as JSON: the store keeps it, whoever runs the job asks
    it. `as_sent`: send what the last attempt sent, instead of what the config now says.
    """

    event_ids: Sequence[str] = ()
    endpoint: str | None = None
    destination: str | None = None
    statuses: Sequence[DeliveryStatus] = ()
    event_type: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    filter: str | Mapping[str, Any] | None = None
    as_sent: bool = False
    to: str | None = None
    links: Mapping[str, LinkTerms] = field(default_factory=dict, hash=False)

    @property
    def asks(self) -> bool:
        """Whether whoever runs it must see the events."""
        return self.filter is not None or self.to is not None


@frozen
class Job:
    """A replay as it is kept. Times are Unix ms; `rate` is deliveries a second, None for no bound.

    Of the `total` that there was to look at in the beginning it has `looked` at so many, events
    or failed deliveries, and `replayed` so many deliveries. Its filter yielded neither true nor
    false for `undecided` of them, which were not replayed. `last` is where the events end that
    it looks at, `cursor` where it goes on; both mean something to the store alone.
    """

    id: int
    state: JobState
    query: ReplayQuery
    rate: float | None
    total: int
    looked: int
    replayed: int
    undecided: int
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    error: str | None
    last: int
    cursor: str | None

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.state in OPEN_STATES


@frozen
class Candidate:
    """A delivery that a job may replay, as it stood when it was looked at, or is to make."""

    event_id: str
    destination: str
    status: DeliveryStatus
    replays: int


@frozen
class Page:
    """What a job looked at in one go: its candidates, and where to go on.

    `events` are theirs by id where there is something to ask of them, else none. `ends`: nothing
    is left.
    """

    candidates: Sequence[Candidate]
    events: Mapping[str, Event]
    looked: int
    cursor: str | None
    ends: bool


class JobReads(Protocol):
    """What is asked about bulk tasks. Nothing here changes anything."""

    async def draft_job(self, query: ReplayQuery, rate: float | None, now_ms: int) -> Job:
        """Return the job that `add_job` would keep, with id 0."""

    async def get_job(self, job_id: int) -> Job | None:
        """Return a job as it stands; None where there is none."""

    async def find_jobs(self, limit: int) -> Sequence[Job]:
        """List jobs, newest first."""

    async def choose(self, job: Job, limit: int) -> Page:
        """Look at what comes next, until about `limit` candidates are found or a bound is met."""


class Jobs(JobReads, Protocol):
    """What bulk tasks ask: where was I, what comes next, and it is done."""

    async def add_job(self, query: ReplayQuery, rate: float | None, now_ms: int) -> Job:
        """Keep a job for whoever runs them."""

    async def keep_job(self, draft: Job) -> Job:
        """Keep a job that `draft_job` returned: of this store, or of its `Reads`."""

    async def open_jobs(self) -> Sequence[Job]:
        """Return the jobs that go on, the oldest first."""

    async def advance(
        self, job: Job, page: Page, chosen: Sequence[Candidate], undecided: int, now_ms: int
    ) -> Job | None:
        """Replay `chosen` of a page and move the job behind it, in one transaction.

        Returns the job as it stands then; None, with nothing changed, where it ended or moved on
        since `job` was read: so two who run it never do anything twice. What was replayed, or
        left the status that the query asks for, since the page was read is left alone.
        """

    async def end_job(
        self, job_id: int, state: JobState, now_ms: int, error: str | None = None
    ) -> bool:
        """End a job that goes on; False where it had ended, or never was."""
