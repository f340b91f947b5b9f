"""The courier of destinations that people read: words for an event, said by a speaker."""

from typing import Any, Final, Protocol

from dispatchd.compose.speaker import Speaker
from dispatchd.frozen import frozen
from dispatchd.message import Message, Said
from dispatchd.model import Carried, Delivery, Event, Judged, Outcome
from dispatchd.reading.content import JSON, read_content
from dispatchd.reading.json_text import NotJson
from dispatchd.reading.reader import is_soon_read

PLACEHOLDER: Final = Message("-")  # its words are replaced


class Words(Protocol):
    """Finds words for events. Never raises."""

    def message(self, event: Event, document: Any, body: bytes) -> Message:
        """Say what happened; `document` is what `body` says, None where that is not known."""


@frozen
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
        return self.speaker.say(self.message(event, content), _key(delivery), now_ms)

    def compose_said(self, event: Event, delivery: Delivery, said: Said, now_ms: int) -> Carried:  # noqa: ARG002 - the template has said it all
        """Compose what a template says, in the attempt that began at `now_ms` (Unix ms)."""
        if isinstance(said, Message):
            return self.speaker.say(said, _key(delivery), now_ms)
        from dispatchd.compose.terms import lay  # noqa: PLC0415 - few templates have such terms

        return lay(self.speaker.say(PLACEHOLDER, _key(delivery), now_ms), said)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Say what an exchange means, by the platform's own terms."""
        return self.speaker.judge(outcome, now_ms)


def _key(delivery: Delivery) -> str:
    """Return what is the same for all attempts at a delivery, and another after a replay."""
    return f"{delivery.event_id}.{delivery.destination}.{delivery.replays}"
