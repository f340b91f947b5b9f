"""Words for Sentry's webhooks (docs.sentry.io/organization/integrations/integration-platform)."""

from typing import Any, Final

from dispatchd.message import Kind, Message
from dispatchd.wording.said import (
    DESCRIPTION_MAX_CHARS,
    fields,
    first,
    joined,
    kind_of,
    members,
    plain_words,
    text,
)

_ABOUT: Final = ("event", "issue", "error", "metric_alert", "comment", "issue_alert")
_METRIC: Final = {
    "critical": Kind.FAILURE,
    "warning": Kind.WARNING,
    "resolved": Kind.SUCCESS,
}


def is_it(document: Any) -> bool:
    """Whether a document looks like one of Sentry's: the platform's, or the older plugin's."""
    data = members(document, "data")
    if text(document, "action") and any(isinstance(data.get(key), dict) for key in _ABOUT):
        return bool(members(document, "installation")) or bool(members(document, "actor"))
    return bool(members(document, "event")) and bool(text(document, "project_name"))


def words(event_type: str, document: Any) -> Message | None:  # noqa: ARG001 - the body says it all
    """Word an issue, an error, an alert; None for what else there is."""
    action = plain_words(text(document, "action"))
    if alert := members(document, "data", "metric_alert"):
        return Message(
            title=first(document, "data.description_title", "data.metric_alert.title") or "Sentry",
            description=text(document, "data", "description_text", most=DESCRIPTION_MAX_CHARS),
            url=text(document, "data", "web_url", most=2048),
            fields=fields(
                ("Alert", text(alert, "alert_rule", "name")),
                ("Projects", text(alert, "projects", "0")),
            ),
            kind=_METRIC.get(action, Kind.WARNING),
        )
    data = members(document, "data")
    about = next((data[key] for key in _ABOUT if isinstance(data.get(key), dict)), None)
    if about is None:
        about = members(document, "event")
        if not about:
            return None
    level = first(about, "level") or text(document, "level")
    title = first(about, "title", "metadata.title", "message") or text(document, "message")
    project = first(about, "project.slug", "project_name") or first(
        document, "project_name", "project"
    )
    resolved = action in ("resolved", "archived", "ignored")
    happened = f"issue {action}" if "issue" in data and action else text(data, "triggered_rule")
    return Message(
        title=joined(project, title, by=": ") or "Sentry",
        description=first(about, "metadata.value", "culprit", "location")
        or text(document, "culprit"),
        url=first(about, "web_url", "permalink", "url", most=2048)
        or text(document, "url", most=2048),
        fields=fields(
            ("What", happened),
            ("Level", level),
            ("Environment", first(about, "environment")),
            ("Release", first(about, "release")),
            ("Seen", first(about, "count")),
            ("Id", text(about, "shortId")),
        ),
        kind=Kind.SUCCESS if resolved else kind_of(level),
    )
