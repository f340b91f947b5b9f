"""Which shape each command's `--json` has, and the version of all of them together.

Within a version fields are added and never removed, renamed or given another type; docs/json.md
is written from here, and a test holds the shapes against what they were.
"""

from typing import Final, NamedTuple

from dispatchd.shapes.copies import BackupFields, RestoreFields
from dispatchd.shapes.endpoint import ExpectedFields
from dispatchd.shapes.event import EventFields, EventSummaryFields, StoryFields
from dispatchd.shapes.explanation import ExplanationFields
from dispatchd.shapes.job import DryRunFields, JobFields
from dispatchd.shapes.lane import LaneFields
from dispatchd.shapes.refused import RefusedFields
from dispatchd.shapes.reload import ReloadFields
from dispatchd.shapes.sent import RequestFields, ResentFields
from dispatchd.shapes.stats import StatsFields
from dispatchd.shapes.told import (
    AlertFields,
    ApiKeyFields,
    CaughtFields,
    CheckFields,
    DoctorFields,
    PreviewFields,
    PrunedFields,
    ReplayedFields,
    SenderFields,
    SenderNameFields,
    SigningKeyFields,
)

VERSION: Final = 1


class Told(NamedTuple):
    """What a command tells, by `when` where it may tell several things.

    A `listed` one is an array of the shape; of `lines` each is a document of its own.
    """

    shape: type
    when: str = ""
    listed: bool = False
    lines: bool = False


COMMANDS: Final = {
    "alerts": (Told(AlertFields, listed=True),),
    "backup": (Told(BackupFields),),
    "catch": (Told(CaughtFields, lines=True),),
    "check": (Told(CheckFields),),
    "destinations": (Told(LaneFields, listed=True),),
    "events": (Told(EventSummaryFields, listed=True),),
    "doctor": (Told(DoctorFields), Told(CheckFields, "where the config cannot be used")),
    "explain": (
        Told(ExplanationFields, "of an event or a file"),
        Told(ExpectedFields, "of an endpoint alone"),
    ),
    "export": (Told(EventFields, "without `--json`", lines=True),),
    "jobs": (Told(JobFields, listed=True),),
    "key new": (Told(ApiKeyFields),),
    "key signing": (Told(SigningKeyFields),),
    "preview": (Told(PreviewFields),),
    "prune": (Told(PrunedFields),),
    "refused": (
        Told(RefusedFields, listed=True),
        Told(RefusedFields, "with a number"),
    ),
    "reload": (Told(ReloadFields),),
    "replay": (Told(ReplayedFields), Told(DryRunFields, "with `--dry-run`")),
    "restore": (Told(RestoreFields),),
    "send": (Told(RequestFields, "with `--dry-run`"), Told(ResentFields, "with `--from`")),
    "show": (Told(StoryFields),),
    "stats": (Told(StatsFields),),
    "try": (Told(SenderNameFields, "without a name", listed=True), Told(SenderFields)),
}
# What the other side, or another table, says: no shape of ours.
FREE: Final = {
    "listen": "lines, each what became of an event, as [listen](live.md#listen) says",
    "tail": "lines, each an event or an attempt, as in [the stream](live.md#the-stream)",
    "send": "else, `status` and the fields of the answer, with `event_id` where it has one; an"
    " answer that is no JSON object is in `reply`",
}
