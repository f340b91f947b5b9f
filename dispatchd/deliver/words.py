"""The courier of destinations that people read: words for an event, said by a speaker."""

from dataclasses import dataclass
from typing import Any, Protocol

from dispatchd.compose.speaker import Speaker
from dispatchd.message import Message
from dispatchd.model import Carried, Delivery, Event, Judged, Outcome
from dispatchd.reading.content import JSON, read_content
from dispatchd.reading.json_text import NotJson
from dispatchd.reading.reader import is_soon_read


class Words(Protocol):
    """Finds words for events. Never raises."""

    def message(self, event: Event, document: Any, body: bytes) -> Message:
        """Say what happened; `document` is what `body` says, None where that is not known."""


@dataclass(frozen=True, slots=True)
class MessageCourier:
    """Has `speaker` say what `words` says of an event."""

    speaker: Speaker
    words: Words

    def message(self, event: Event, content: bytes | None) -> Message:
        """Return what is said of an event, or of a transform's result, `content`.

        The document is read here where that is soon done. One that would keep the loop is not
        read: such a message says how large it is.
        """
        body = event.body if content is None else content
        content_type = event.content_type if content is None else JSON
        document: Any = None
        if is_soon_read(body, content_type, "any"):
            try:
                document = read_content(body, content_type, "any").document
            except NotJson:
                document = None
        return self.words.message(event, document, body)

    def compose(
        self, event: Event, delivery: Delivery, content: bytes | None, now_ms: int
    ) -> Carried:
        """Compose the message of the attempt that began at `now_ms` (Unix ms)."""
        # The same for all attempts at a delivery, and another after a replay.
        key = f"{delivery.event_id}.{delivery.destination}.{delivery.replays}"
        return self.speaker.say(self.message(event, content), key, now_ms)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Say what an exchange means, by the platform's own terms."""
        return self.speaker.judge(outcome, now_ms)
