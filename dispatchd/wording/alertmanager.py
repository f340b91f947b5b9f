"""Words for Alertmanager's webhooks (prometheus.io/docs/alerting, "webhook_config")."""

from typing import Any

from dispatchd.message import Message
from dispatchd.wording.alerts import group
from dispatchd.wording.said import first, items, text


def is_it(document: Any) -> bool:
    """Whether a document looks like one of Alertmanager's, by what only it has."""
    if not isinstance(document, dict) or "orgId" in document:  # that is Grafana's
        return False
    return bool(text(document, "groupKey")) and bool(items(document, "alerts"))


def words(event_type: str, document: Any) -> Message | None:  # noqa: ARG001 - the body says it all
    """Word a group of alerts, None for what is no group; the link leads to the first's graph."""
    if not items(document, "alerts"):
        return None
    return group(document, url=first(document, "alerts.0.generatorURL", "externalURL", most=2048))
