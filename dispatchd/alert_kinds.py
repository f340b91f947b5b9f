"""What alerts say, and the endpoint that their events are of."""

from enum import StrEnum
from typing import Final

ALERTS: Final = "dispatchd:alerts"  # the endpoint of our own events; no slug has a colon
ALERTS_ID: Final = "784102bb-fcab-5cd6-9227-01155dacd4a8"  # derived as those of slugs are


class AlertKind(StrEnum):
    """What an alert says."""

    DELIVERY_FAILED = "delivery_failed"  # for good
    ALERT_FAILED = "alert_failed"  # an alert that could not be delivered: told by the others
    LANE_HELD = "lane_held"
    LANE_RECOVERED = "lane_recovered"
    BACKLOG = "backlog"
    SOURCE_ERRORS = "source_errors"
    DISK_LOW = "disk_low"
    STORAGE_FAULT = "storage_fault"
    QUIET = "quiet"
