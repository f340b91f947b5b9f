"""Words for a group of alerts, in the form that Alertmanager gave them and Grafana took over."""

from typing import Any, Final

from dispatchd.message import Field, Kind, Message
from dispatchd.wording.said import (
    capitalised,
    fields,
    first,
    items,
    joined,
    kind_of,
    members,
    plain_words,
    spoken,
    text,
)

SHOWN_MAX: Final = 8
LABELS_MAX: Final = 6
_TOLD: Final = frozenset({"alertname", "severity", "__name__", "grafana_folder"})


def group(document: Any, *, url: str, title: str = "", description: str = "") -> Message:
    """Word a group of alerts. `title` and `description` are the sender's own, where it has any."""
    alerts = [alert for alert in items(document, "alerts") if isinstance(alert, dict)]
    firing = [alert for alert in alerts if text(alert, "status") != "resolved"]
    status = text(document, "status") or ("firing" if firing else "resolved")
    shown = firing or alerts
    name = first(
        document, "commonLabels.alertname", "groupLabels.alertname", "commonAnnotations.summary"
    ) or (text(shown[0], "labels", "alertname") if shown else "")
    number = f" ({len(shown)})" if len(shown) > 1 else ""
    severity = first(document, "commonLabels.severity") or (
        text(shown[0], "labels", "severity") if shown else ""
    )
    return Message(
        title=title or f"{capitalised(plain_words(status))}{number}: {name or 'alert'}",
        description=description or "\n".join(_line(alert) for alert in shown[:SHOWN_MAX]),
        url=url or None,
        fields=(
            *fields(
                ("Severity", severity),
                ("Receiver", text(document, "receiver")),
                ("Alerts", _counted(len(firing), len(alerts))),
            ),
            *_labels(members(document, "commonLabels")),
        ),
        kind=_kind(status, severity),
    )


def _kind(status: str, severity: str) -> Kind:
    if kind_of(status) is Kind.SUCCESS:
        return Kind.SUCCESS
    said = kind_of(severity, Kind.FAILURE)
    if severity.lower() in ("info", "none", "information", "informational"):
        said = Kind.INFO
    return Kind.FAILURE if said is Kind.SUCCESS else said


def _line(alert: dict[str, Any]) -> str:
    """Return what one alert says of itself."""
    said = first(
        alert, "annotations.summary", "annotations.description", "annotations.message"
    ) or text(alert, "labels", "alertname")
    where = first(alert, "labels.instance", "labels.pod", "labels.job", "labels.host")
    return joined("•", said, f"({where})" if where and where not in said else "")


def _counted(firing: int, alerts: int) -> str:
    if alerts <= 1:
        return ""
    return joined(
        f"{firing} firing" if firing else "",
        f"{alerts - firing} resolved" if alerts > firing else "",
        by=", ",
    )


def _labels(labels: dict[str, Any]) -> list[Field]:
    found = [
        Field(name[:60], said)
        for name, value in list(labels.items())[: 4 * LABELS_MAX]
        if name not in _TOLD and (said := spoken(value))
    ]
    return found[:LABELS_MAX]
