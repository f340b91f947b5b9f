"""What commands tell that the API has no operation for."""

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dispatchd.config import Problem


class ProblemFields(TypedDict):
    """What is wrong with a config, and where: `line` and `column` count from 1."""

    file: str
    line: int | None
    column: int | None
    path: str
    message: str
    suggestion: str | None


class CheckFields(TypedDict):
    """What `check` found; `ok` says that the config can be used."""

    ok: bool
    problems: list[ProblemFields]
    warnings: list[str]


def problems_fields(problems: "Sequence[Problem]") -> CheckFields:
    """Return what is wrong with a config."""
    return {
        "ok": False,
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "path": problem.path,
                "message": problem.message,
                "suggestion": problem.suggestion,
            }
            for problem in problems
        ],
        "warnings": [],
    }


class FindingFields(TypedDict):
    """What one of `doctor`'s checks found; `verdict` is ok, note or act.

    `figures` are what was measured, by names with units.
    """

    check: str
    name: str | None
    verdict: str
    said: str
    todo: str | None
    figures: dict[str, int | float | str | None]


class DoctorFields(TypedDict):
    """All that `doctor` found; `ok` says that there is nothing to do."""

    ok: bool
    checks: list[FindingFields]


class ReplayedFields(TypedDict):
    """A replay at its end, by its job; null where there was nothing to begin one for.

    `held` has the destinations that are held, and why: what was replayed to them waits.
    """

    job: int | None
    state: str
    deliveries: int
    undecided: int
    dry_run: bool
    held: dict[str, str]


class PrunedFields(TypedDict):
    """How many events went, received before when; and how many stayed for a failed delivery.

    `over_max_size` are those that went so that the database is not too large.
    """

    events: int
    before: str
    kept_failed: int
    failed_before: str
    over_max_size: int


class ApiKeyFields(TypedDict):
    """An API key, told this once; `pull` is the queue that alone it opens, `config` its line."""

    name: str
    pull: str | None
    key: str
    hash: str
    config: str


class SigningKeyFields(TypedDict):
    """A secret to sign deliveries with, told this once, and its public half where it has one."""

    signing_secret: str
    public_key: str | None


class AlertFields(TypedDict):
    """What is told of one thing to one destination: `told` times, and `pending` more of it."""

    kind: str
    about: str | None
    to: str
    active: bool
    told: int
    last_told: str | None
    pending: int
    pending_since: str | None
    event_id: str | None


class PreviewFields(TypedDict):
    """What a template says: `tree`, in the terms of `variant`; `missing` is what was not there."""

    template: str
    variant: str
    type: str | None
    tree: Any
    missing: list[str]
    warnings: list[str]


class CaughtFields(TypedDict):
    """A request that `catch` answered with the status `answered`."""

    number: int
    received: str
    method: str
    path: str
    headers: list[list[str]]
    body_bytes: int
    sha256: str
    body: NotRequired[str]
    body_base64: NotRequired[str]
    answered: int


class SenderNameFields(TypedDict):
    """A sender that is known by name."""

    provider: str
    title: str


class SenderFields(TypedDict):
    """How a sender is set up, and what its webhooks hold."""

    provider: str
    title: str
    same_as: str | None
    config: str
    setup: str
    keys: dict[str, str]
    handshake: str | None
    event_type: str | None
    delivery_id: str | None
    proof: str
    not_covered: str | None
    notes: list[str]
    variables: list[str]
    send: str | None
    cannot_send: str | None
    own_test: str | None
