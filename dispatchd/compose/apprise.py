"""Type `apprise`: the services that the library Apprise knows, by their URLs.

What a service limits is the library's to keep to: it cuts bodies that are too long. 2,000
characters are sent at most. Success is when every service took it; when one did not, all of them
are tried again, so each should rather be a destination of its own.

Inert: plain text, from which the library makes each service's own. As some of its services look
for mentions in what they are given, each `@` and `<` is parted from what follows.
"""

from typing import Final

from dispatchd.compose.speaker import Speaker
from dispatchd.compose.text import body_of, fit, link_of, mention_less, title_of
from dispatchd.frozen import frozen
from dispatchd.message import ZERO_WIDTH, Message
from dispatchd.model import (
    Delivered,
    ErrorClass,
    Failed,
    Failure,
    Judged,
    Notice,
    Outcome,
    Whose,
)

BODY_MAX: Final = 2000
TITLE_MAX: Final = 200


@frozen(repr=False)
class AppriseSpeaker(Speaker):
    """Has Apprise notify each of `urls`."""

    urls: tuple[str, ...]
    timeout_s: float

    def say(self, message: Message, key: str, now_ms: int) -> Notice:
        """Compose the notice."""
        title = fit(title_of(message), TITLE_MAX, _parted)
        body = body_of(message, BODY_MAX, _parted)
        if (link := link_of(message, 1000)) is not None:
            body = f"{body}\n\n{link}".strip()
        return Notice(self.urls, title, body or title, str(message.kind), self.timeout_s)

    def judge(self, outcome: Outcome, now_ms: int) -> Judged:
        """Judge by the exit code of the process that sent it."""
        if isinstance(outcome, Failure):
            ours = outcome.error is ErrorClass.INTERNAL
            return Failed(outcome.error, Whose.OURS if ours else Whose.THEIRS)
        return Delivered() if outcome.status == 0 else Failed(ErrorClass.REJECTED)


def _parted(text: str) -> str:
    return mention_less(text).replace("<", f"<{ZERO_WIDTH}")
