"""Words for GitLab's webhooks (docs.gitlab.com/user/project/integrations/webhook_events)."""

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

SHA_CHARS: Final = 8
NOWHERE: Final = "0" * 40
_ACTIONS: Final = {
    "open": "opened",
    "close": "closed",
    "reopen": "reopened",
    "merge": "merged",
    "update": "updated",
    "approved": "approved",
    "unapproved": "unapproved",
}


def is_it(document: Any) -> bool:
    """Whether a document looks like one of GitLab's."""
    return bool(text(document, "object_kind")) and bool(members(document, "project"))


def words(event_type: str, document: Any) -> Message | None:
    """Word an event by its kind."""
    kind = text(document, "object_kind") or event_type
    project = first(document, "project.path_with_namespace", "project_name", "project.name")
    return _BY_KIND.get(kind, _any)(kind, document, project) if project else None


def _push(kind: str, document: Any, project: str) -> Message:
    ref = text(document, "ref").removeprefix("refs/heads/").removeprefix("refs/tags/")
    called = "tag" if kind == "tag_push" else "branch"
    by = fields(("By", first(document, "user_name", "user_username")))
    if text(document, "after") == NOWHERE:
        return Message(f"{project}: {called} {ref} deleted", fields=by, kind=Kind.WARNING)
    if kind == "tag_push":
        return Message(
            f"{project}: tag {ref} pushed", text(document, "message"), _home(document), by
        )
    commits = items(document, "commits")
    total = text(document, "total_commits_count")
    number = int(total) if total.isascii() and total.isdigit() else len(commits)
    return Message(
        title=f"{project}: {count(number, 'commit')} pushed to {ref}",
        description="\n".join(
            joined(text(commit, "id")[:SHA_CHARS], first(commit, "title", "message").split("\n")[0])
            for commit in commits[:ITEMS_MAX]
        ),
        url=_home(document),
        fields=by,
    )


def _subject(kind: str, document: Any, project: str) -> Message:
    about = members(document, "object_attributes")
    branches = joined(text(about, "source_branch"), text(about, "target_branch"), by=" → ")
    sign, called = ("!", "merge request") if kind == "merge_request" else ("#", "issue")
    action = _ACTIONS.get(text(about, "action"), text(about, "action") or text(about, "state"))
    return Message(
        title=joined(
            project, f"{called} {sign}{text(about, 'iid')} {action}", text(about, "title"), by=": "
        ),
        description=(
            text(about, "description", most=DESCRIPTION_MAX_CHARS)
            if action in ("opened", "reopened")
            else ""
        ),
        url=text(about, "url", most=2048),
        fields=fields(
            ("By", first(document, "user.name", "user.username")),
            ("Branch", branches),
            ("Labels", _labels(document)),
        ),
        kind=Kind.SUCCESS if action in ("merged", "closed", "approved") else Kind.INFO,
    )


def _note(_: str, document: Any, project: str) -> Message:
    about = members(document, "object_attributes")
    on = plain_words(text(about, "noteable_type")).lower()
    title = first(document, "merge_request.title", "issue.title", "commit.message", "snippet.title")
    return Message(
        title=joined(f"{project}: comment on {on}", title, by=": "),
        description=text(about, "note", most=DESCRIPTION_MAX_CHARS),
        url=text(about, "url", most=2048),
        fields=fields(("By", first(document, "user.name", "user.username"))),
    )


def _pipeline(kind: str, document: Any, project: str) -> Message:
    about = members(document, "object_attributes") if kind == "pipeline" else document
    status = first(about, "status", "build_status", "deployment_status.status")
    name = {
        "pipeline": f"pipeline #{text(about, 'id')}",
        "build": f"job {text(about, 'build_name')}",
        "deployment": f"deployment to {text(about, 'environment')}",
    }[kind]
    return Message(
        title=f"{project}: {name} {plain_words(status)}",
        description=first(document, "commit.title", "commit.message", "commit_title"),
        url=first(about, "url", "deployable_url", most=2048) or _home(document),
        fields=fields(
            ("Ref", text(about, "ref")),
            ("Commit", first(about, "sha", "short_sha")[:SHA_CHARS]),
            ("By", first(document, "user.name", "user.username")),
            ("Stage", text(about, "build_stage")),
        ),
        kind=kind_of(status),
    )


def _release(_: str, document: Any, project: str) -> Message:
    return Message(
        title=joined(f"{project}: release", text(document, "name"), text(document, "action") + "d"),
        description=text(document, "description", most=DESCRIPTION_MAX_CHARS),
        url=text(document, "url", most=2048),
        fields=fields(("Tag", text(document, "tag"))),
        kind=Kind.SUCCESS,
    )


def _any(kind: str, document: Any, project: str) -> Message:
    happened = joined(plain_words(kind) or "event", text(document, "object_attributes", "action"))
    return Message(
        title=f"{project}: {happened}",
        url=first(document, "object_attributes.url", most=2048) or _home(document),
        fields=fields(("By", first(document, "user.name", "user_name", "user.username"))),
    )


def _home(document: Any) -> str:
    return first(document, "project.web_url", "repository.homepage", most=2048)


def _labels(document: Any) -> str:
    return joined(
        *(text(label, "title") for label in items(document, "labels")[:ITEMS_MAX]), by=", "
    )


_BY_KIND: Final[dict[str, Callable[[str, Any, str], Message]]] = {
    "push": _push,
    "tag_push": _push,
    "issue": _subject,
    "work_item": _subject,
    "merge_request": _subject,
    "note": _note,
    "pipeline": _pipeline,
    "build": _pipeline,
    "deployment": _pipeline,
    "release": _release,
}
