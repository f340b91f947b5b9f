"""Words for GitHub's webhooks (docs.github.com/webhooks/webhook-events-and-payloads)."""

from collections.abc import Callable
from typing import Any, Final

from dispatchd.message import Kind, Message
from dispatchd.wording.said import (
    DESCRIPTION_MAX_CHARS,
    ITEMS_MAX,
    count,
    fields,
    first,
    items,
    joined,
    kind_of,
    members,
    plain_words,
    text,
)

SHA_CHARS: Final = 7
# Where an event keeps what it is about, and what that is called.
_SUBJECTS: Final = {
    "issues": ("issue", "issue"),
    "issue_comment": ("issue", "issue"),
    "pull_request": ("pull_request", "pull request"),
    "pull_request_review": ("pull_request", "pull request"),
    "pull_request_review_comment": ("pull_request", "pull request"),
    "discussion": ("discussion", "discussion"),
    "discussion_comment": ("discussion", "discussion"),
}
_RUNS: Final = {
    "workflow_run": "workflow_run",
    "workflow_job": "workflow_job",
    "check_run": "check_run",
    "check_suite": "check_suite",
}
_GOOD: Final = frozenset({"closed", "published", "resolved", "fixed", "completed"})


def words(event_type: str, document: Any) -> Message | None:
    """Word an event by its type."""
    repository = first(document, "repository.full_name", "organization.login", "sender.login")
    if not repository and event_type != "ping":
        return None
    if event_type in _SUBJECTS:
        return _subject(event_type, document, repository)
    if event_type in _RUNS:
        return _run(_RUNS[event_type], document, repository)
    special = _SPECIAL.get(event_type)
    return (special or _any)(event_type, document, repository)


def _subject(event_type: str, document: Any, repository: str) -> Message | None:
    key, called = _SUBJECTS[event_type]
    about = members(document, key)
    if not about:
        return None
    action = plain_words(text(document, "action"))
    if event_type == "pull_request" and action == "closed" and text(about, "merged") == "yes":
        action = "merged"
    comment = members(document, "comment") or members(document, "review")
    if event_type == "issue_comment" and "pull_request" in about:
        called = "pull request"
    what = f"{called} #{text(about, 'number')}"
    if comment:
        verdict = plain_words(text(comment, "state"))
        happened = f"{verdict or f'comment {action}'} on {what}"
    else:
        happened = joined(what, action)
    described = text(comment or about, "body", most=DESCRIPTION_MAX_CHARS)
    wanted = bool(comment) or action in ("opened", "reopened", "edited", "ready for review")
    return Message(
        title=joined(repository, happened, text(about, "title"), by=": "),
        description=described if wanted else "",
        url=text(comment, "html_url", most=2048) or text(about, "html_url", most=2048),
        fields=fields(
            ("By", text(document, "sender", "login")),
            ("Labels", _names(about, "labels", "name")),
            ("Assignees", _names(about, "assignees", "login")),
            ("Branch", joined(text(about, "head", "ref"), text(about, "base", "ref"), by=" → ")),
        ),
        kind=_kind(action, text(comment, "state")),
    )


def _kind(action: str, state: str) -> Kind:
    if state == "changes_requested":
        return Kind.WARNING
    if action in ("merged", "closed"):
        return Kind.SUCCESS
    return kind_of(state)


def _run(key: str, document: Any, repository: str) -> Message | None:
    run = members(document, key)
    if not run:
        return None
    conclusion = text(run, "conclusion")
    name = first(run, "name", "app.name") or plain_words(key)
    return Message(
        title=f"{repository}: {name} {plain_words(conclusion or first(run, 'status'))}",
        description=first(run, "display_title", "output.title", "head_commit.message"),
        url=first(run, "html_url", "details_url", most=2048),
        fields=fields(
            ("Branch", first(run, "head_branch", "check_suite.head_branch")),
            ("Commit", text(run, "head_sha")[:SHA_CHARS]),
            ("By", first(document, "sender.login", "workflow_run.actor.login")),
            ("Event", text(run, "event")),
        ),
        kind=kind_of(conclusion),
    )


def _push(_: str, document: Any, repository: str) -> Message:
    commits = items(document, "commits")
    branch = text(document, "ref").removeprefix("refs/heads/").removeprefix("refs/tags/")
    by = first(document, "pusher.name", "sender.login")
    if text(document, "deleted") == "yes":
        who = fields(("By", by))
        return Message(f"{repository}: {branch} deleted", fields=who, kind=Kind.WARNING)
    forced = "force-pushed" if text(document, "forced") == "yes" else "pushed"
    shown = [
        f"{text(commit, 'id')[:SHA_CHARS]} {text(commit, 'message').splitlines()[0]}"
        for commit in commits[:ITEMS_MAX]
        if text(commit, "message")
    ]
    more = len(commits) - ITEMS_MAX
    if more > 0:
        shown.append(f"and {more} more")
    return Message(
        title=f"{repository}: {count(len(commits), 'commit')} {forced} to {branch}",
        description="\n".join(shown),
        url=first(document, "compare", "head_commit.url", most=2048),
        fields=fields(("By", by)),
        kind=Kind.WARNING if forced != "pushed" else Kind.INFO,
    )


def _release(_: str, document: Any, repository: str) -> Message:
    release = members(document, "release")
    action = text(document, "action")
    return Message(
        title=f"{repository}: release {first(release, 'name', 'tag_name')} {action}",
        description=text(release, "body", most=DESCRIPTION_MAX_CHARS),
        url=text(release, "html_url", most=2048),
        fields=fields(
            ("Tag", text(release, "tag_name")), ("By", text(document, "sender", "login"))
        ),
        kind=Kind.SUCCESS if action in _GOOD else Kind.INFO,
    )


def _deployment(_: str, document: Any, repository: str) -> Message:
    state = text(document, "deployment_status", "state")
    environment = first(document, "deployment_status.environment", "deployment.environment")
    return Message(
        title=joined(f"{repository}: deployment to {environment}", plain_words(state)),
        description=first(document, "deployment_status.description", "deployment.description"),
        url=first(
            document,
            "deployment_status.environment_url",
            "deployment_status.target_url",
            "repository.html_url",
            most=2048,
        ),
        fields=fields(
            ("Ref", text(document, "deployment", "ref")),
            ("By", text(document, "sender", "login")),
        ),
        kind=kind_of(state),
    )


def _ref(event_type: str, document: Any, repository: str) -> Message:
    what = f"{text(document, 'ref_type')} {text(document, 'ref')}"
    return Message(
        title=f"{repository}: {what} {event_type}d",
        url=text(document, "repository", "html_url", most=2048),
        fields=fields(("By", text(document, "sender", "login"))),
        kind=Kind.WARNING if event_type == "delete" else Kind.INFO,
    )


def _alert(event_type: str, document: Any, repository: str) -> Message:
    action = plain_words(text(document, "action"))
    severity = first(
        document,
        "alert.security_advisory.severity",
        "alert.rule.security_severity_level",
        "alert.rule.severity",
    )
    good = action in _GOOD or action.startswith(("closed", "auto dismissed"))
    return Message(
        title=f"{repository}: {plain_words(event_type)} {action}",
        description=first(
            document,
            "alert.security_advisory.summary",
            "alert.rule.description",
            "alert.secret_type_display_name",
        ),
        url=text(document, "alert", "html_url", most=2048),
        fields=fields(
            ("Severity", severity),
            ("Package", text(document, "alert", "dependency", "package", "name")),
        ),
        kind=Kind.SUCCESS if good else Kind.FAILURE,
    )


def _ping(_: str, document: Any, repository: str) -> Message:
    return Message(
        title=joined(repository, "the webhook works", by=": "),
        description=text(document, "zen"),
        url=text(document, "repository", "html_url", most=2048),
        kind=Kind.SUCCESS,
    )


def _any(event_type: str, document: Any, repository: str) -> Message:
    """Word an event of any other type: what it is called, and what was done."""
    happened = joined(plain_words(event_type) or "event", plain_words(text(document, "action")))
    return Message(
        title=f"{repository}: {happened}",
        url=text(document, "repository", "html_url", most=2048),
        fields=fields(("By", text(document, "sender", "login"))),
    )


def _names(about: dict[str, Any], key: str, name: str) -> str:
    return joined(*(text(item, name) for item in items(about, key)[:ITEMS_MAX]), by=", ")


_SPECIAL: Final[dict[str, Callable[[str, Any, str], Message]]] = {
    "push": _push,
    "release": _release,
    "deployment": _deployment,
    "deployment_status": _deployment,
    "create": _ref,
    "delete": _ref,
    "ping": _ping,
    "dependabot_alert": _alert,
    "code_scanning_alert": _alert,
    "secret_scanning_alert": _alert,
}
