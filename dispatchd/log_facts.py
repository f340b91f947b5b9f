"""The log as a watcher of facts: one wide line for each attempt, one for each change."""

from collections.abc import Mapping
from typing import Any, Final

from dispatchd.facts import (
    AttemptEnded,
    DiskChanged,
    DrainCut,
    Fact,
    HistoryPruned,
    InternalError,
    LaneChanged,
    Tell,
    WebhookAnswered,
)
from dispatchd.log import Log
from dispatchd.model import Dead, Delivered, RetryAt, Verdict

_RESULTS: Final[Mapping[type[Verdict], str]] = {
    Delivered: "success",
    RetryAt: "retrying",
    Dead: "failed",
}


def log_watcher(log: Log) -> Tell:
    """Return a watcher that writes each fact to `log`."""

    def tell(fact: Fact) -> None:
        match fact:
            case WebhookAnswered():
                _webhook(log, fact)
            case AttemptEnded():
                _attempt(log, fact)
            case LaneChanged():
                _lane(log, fact)
            case HistoryPruned():
                _pruned(log, fact)
            case DiskChanged():
                _disk(log, fact)
            case DrainCut(destination=destination, deliveries=deliveries):
                log.warning("drain_cut", destination=destination, deliveries=deliveries)
            case InternalError():
                fields = {"destination": fact.destination, "event_id": fact.event_id}
                given = {name: value for name, value in fields.items() if value is not None}
                log.error("internal_error", error=fact.error, **given)

    return tell


def _webhook(log: Log, fact: WebhookAnswered) -> None:
    fields: dict[str, Any] = {"source_ip": fact.source_ip}
    if fact.body_bytes is not None:
        fields["body_bytes"] = fact.body_bytes
    if fact.auth is not None:
        fields["auth"] = fact.auth
    event = fact.event
    if event is not None:
        fields["event_id"] = event.id
        fields["event_type"] = event.event_type
        if event.filtered_by is not None:
            fields["filtered_by"] = event.filtered_by
        fields["destinations"] = len(fact.destinations)
    if fact.duplicate_of is not None:
        fields["event_id"] = fact.duplicate_of
        fields["duplicate"] = True
    if fact.handshake:
        fields["handshake"] = True
    if fact.notes:
        fields["notes"] = list(fact.notes)
    if fact.shown:
        log.warning("handshake_token", endpoint=fact.endpoint, token=fact.shown)
    write = log.info
    if fact.error is not None:
        fields["error"] = fact.error
        write = log.error if fact.status == 503 else log.warning  # noqa: PLR2004
    write(
        "event",
        endpoint=fact.endpoint,
        status=fact.status,
        **fields,
        latency_ms=fact.latency_ms,
    )


def _lane(log: Log, fact: LaneChanged) -> None:
    if fact.state == "open":
        log.warning("lane_recovered", destination=fact.destination)
        return
    fields = {} if fact.kind is None else {"kind": fact.kind}
    log.warning(
        "lane_held" if fact.state == "held" else "lane_paced",
        destination=fact.destination,
        reason=fact.reason,
        since_ms=fact.since_ms,
        **fields,
    )


def _pruned(log: Log, fact: HistoryPruned) -> None:
    fields: dict[str, Any] = {}
    write = log.info
    if fact.kept_failed:
        fields["kept_failed"] = fact.kept_failed
    if fact.stuck:
        fields["message"] = "over max_size still: all that is left is owed, or came just now"
        write = log.warning
    write(
        "pruned",
        why=fact.why,
        events=fact.events,
        **fields,
        used_bytes=fact.used_bytes,
        took_s=round(fact.took_s, 3),
    )


def _disk(log: Log, fact: DiskChanged) -> None:
    if fact.low:
        log.error(
            "disk_low",
            free_bytes=fact.free_bytes,
            min_free_bytes=fact.bound_bytes,
            message="webhooks are answered 503 until there is room; deliveries go on",
        )
    else:
        log.warning("disk_recovered", free_bytes=fact.free_bytes)


def _attempt(log: Log, fact: AttemptEnded) -> None:
    event, attempt, verdict = fact.event, fact.attempt, fact.verdict
    fields: dict[str, Any] = {}
    write = log.info
    if attempt.error is not None:
        fields["error"], fields["message"] = attempt.error, attempt.message
        write = log.warning
    if isinstance(verdict, RetryAt):
        fields["due_ms"] = verdict.due_ms
    if attempt.transform is not None:
        fields["transform"] = attempt.transform
        if attempt.transform != "applied":  # what was to be left out went out all the same
            write = log.warning
    if attempt.rule is not None:
        fields["rule"] = attempt.rule
    if attempt.template is not None:
        fields["template"] = attempt.template
        if "failed" in attempt.template.partition(": ")[2]:
            write = log.warning
    write(
        "attempt",
        result=_RESULTS[type(verdict)],
        event_id=event.id,
        endpoint=event.endpoint,
        event_type=event.event_type,
        destination=attempt.destination,
        number=attempt.number,
        status_code=attempt.status_code,
        latency_ms=attempt.latency_ms,
        **fields,
    )
