"""A replay as pages tell it: which deliveries, how far, how long yet. Pure."""

from typing import Any, Final
from urllib.parse import urlencode

from dispatchd.admin.dashboard.filters import at_ms
from dispatchd.shapes.job import JobFields, QueryFields
from dispatchd.spelling import span

STATE_TONES: Final = {
    "queued": "busy",
    "running": "busy",
    "done": "good",
    "cancelled": "idle",
    "failed": "bad",
}
IDS_SHOWN: Final = 20
WORD_MAX_CHARS: Final = 80
FILTER_MAX_CHARS: Final = 4_000
ERROR_MAX_CHARS: Final = 400
_STATUS_WORDS: Final = {
    "failed": "failed for good",
    "success": "was delivered",
    "retrying": "is being retried",
    "queued": "is queued",
}


def job_told(job: JobFields, now_ms: int) -> dict[str, Any]:
    """Return what a page says of a job."""
    going = job["ended"] is None
    error = job["error"]
    return {
        **job,
        "tone": STATE_TONES[job["state"]],
        "going": going,
        "which": which(job["query"]),
        "looked": min(job["looked"], job["total"]),
        "left": time_left(job, now_ms) if going else "",
        "error": None if error is None else _cut(error, ERROR_MAX_CHARS),
    }


def which(query: QueryFields) -> list[dict[str, str]]:
    """Say which deliveries a replay is of: words, each with what it is about.

    What it is about is in `name`, or as an ISO time in `time`.
    """
    statuses = query["statuses"]
    if not statuses or set(statuses) == set(_STATUS_WORDS):
        told = [{"words": "Everything"}]
    else:
        told = [{"words": "What " + " or ".join(_STATUS_WORDS[one] for one in statuses)}]
    ids = query["event_ids"]
    if ids:
        told.append({"words": f"of {len(ids)} events" if len(ids) > 1 else "of one event"})
    for words, name in (
        ("to", query["destination"]),
        ("from endpoint", query["endpoint"]),
        ("of type", query["event_type"]),
    ):
        if name is not None:
            told.append({"words": words, "name": _cut(name, WORD_MAX_CHARS)})
    for words, at in (("received since", query["since"]), ("before", query["until"])):
        if at is not None:
            told.append({"words": words, "time": at})
    if query["filter"] is not None:
        told.append({"words": "that its filter lets through"})
    if query["as_sent"]:
        told.append({"words": "as it was sent last"})
    return told


def time_left(job: JobFields, now_ms: int) -> str:
    """Say how long a job will take yet, at the pace that it had; nothing where none is known."""
    if job["started"] is None or not job["looked"]:
        return ""
    ran_ms = max(now_ms - at_ms(job["started"]), 1)
    left = max(job["total"] - job["looked"], 0)
    return f"about {span(round(left * ran_ms / job['looked']))} to go"


def events_url(query: QueryFields) -> str | None:
    """Return where the events are listed that a replay is about; None where no list says it."""
    if query["event_ids"] or query["filter"]:
        return None
    given = {
        "endpoint": query["endpoint"],
        "destination": query["destination"],
        "event_type": query["event_type"],
        "since": query["since"],
    }
    if {"*", "?"} & set(given["event_type"] or ""):  # the list knows no globs
        del given["event_type"]
    kept = {name: value for name, value in given.items() if value}
    return f"/events?{urlencode(kept)}" if kept else "/events"


def _cut(text: str, most_chars: int) -> str:
    return text if len(text) <= most_chars else f"{text[:most_chars]}…"
