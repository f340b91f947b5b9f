"""Words for Grafana's webhooks (grafana.com/docs/grafana, "Configure the webhook notifier").

Those of today's alerting are a group as Alertmanager's, with a title of its own; those of the
alerting before Grafana 9 are a rule that changed its state.
"""

from typing import Any, Final

from dispatchd.message import Message
from dispatchd.wording.alerts import group
from dispatchd.wording.said import (
    DESCRIPTION_MAX_CHARS,
    fields,
    first,
    items,
    kind_of,
    spoken,
    text,
)

VALUES_MAX: Final = 6


def is_it(document: Any) -> bool:
    """Whether a document looks like one of Grafana's."""
    if not isinstance(document, dict) or "orgId" not in document:
        return False
    return bool(items(document, "alerts")) or "ruleName" in document or "ruleUrl" in document


def words(event_type: str, document: Any) -> Message | None:  # noqa: ARG001 - the body says it all
    """Word a group of alerts, or a rule; None for what is neither."""
    if items(document, "alerts"):
        url = first(
            document,
            "alerts.0.panelURL",
            "alerts.0.dashboardURL",
            "alerts.0.generatorURL",
            "externalURL",
            most=2048,
        )
        return group(document, url=url, title=text(document, "title"))
    if not first(document, "ruleName", "ruleUrl"):
        return None
    values = [
        (text(match, "metric")[:60] or "value", spoken(match.get("value")))
        for match in items(document, "evalMatches")[:VALUES_MAX]
        if isinstance(match, dict)
    ]
    return Message(
        title=first(document, "title", "ruleName") or "Grafana",
        description=text(document, "message", most=DESCRIPTION_MAX_CHARS),
        url=text(document, "ruleUrl", most=2048) or None,
        fields=fields(("State", text(document, "state")), *values),
        kind=kind_of(text(document, "state")),
    )
