"""A request that says it is a test, sent to a destination to see what comes of it."""

import json
from typing import Final
from uuid import UUID

from dispatchd.clock import new_id
from dispatchd.deliver.attempt import Attempts
from dispatchd.model import Attempt, Delivered, Delivery, DeliveryStatus, Event, EventStatus

ENDPOINT: Final = "dispatchd-test"  # in X-Dispatch-Endpoint; no slug of the config
EVENT_TYPE: Final = "dispatchd.test"


async def send_test(attempts: Attempts, destination: str, now_ms: int) -> tuple[Attempt, bool]:
    """Make one attempt at `destination`; return it, and whether it was delivered.

    It is made as every other one, headers and signature included, but that no transform is
    asked, and nothing of it is kept. `now_ms` is Unix ms.
    """
    body = {"test": True, "sent_by": "dispatchd", "destination": destination}
    event = Event(
        id=new_id(),
        endpoint=ENDPOINT,
        endpoint_id=str(UUID(int=0)),
        received_ms=now_ms,
        event_type=EVENT_TYPE,
        source_ip=None,
        status=EventStatus.RECEIVED,
        filtered_by=None,
        content_type="application/json",
        headers=(),
        body=json.dumps(body).encode(),
    )
    delivery = Delivery(event.id, destination, DeliveryStatus.QUEUED, 0, 0, 0, now_ms)
    attempt, judged, _ = await attempts.make(delivery, event)
    return attempt, isinstance(judged, Delivered)
