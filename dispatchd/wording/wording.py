"""Which module words an event: by its endpoint's provider, else by headers, else by its shape."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from dispatchd.alert_kinds import ALERTS
from dispatchd.frozen import frozen
from dispatchd.message import Message
from dispatchd.model import Event
from dispatchd.wording import alertmanager, generic, github, gitlab, grafana, own, sentry, stripe
from dispatchd.wording.said import joined

Words = Callable[[str, Any], Message | None]  # of an event type and a document

# None: the document is none of this sender's, or of a kind that has no words of its own.
BY_PROVIDER: Final[Mapping[str, Words]] = {
    "github": github.words,
    "gitea": github.words,  # these three took its bodies over
    "forgejo": github.words,
    "gogs": github.words,
    "gitlab": gitlab.words,
    "stripe": stripe.words,
    "sentry": sentry.words,
    "grafana": grafana.words,
    "alertmanager": alertmanager.words,
}
BY_HEADER: Final[Mapping[str, Words]] = {
    "x-github-event": github.words,
    "x-gitlab-event": gitlab.words,
    "sentry-hook-resource": sentry.words,
}
BY_SHAPE: Final[tuple[tuple[Callable[[Any], bool], Words], ...]] = (
    (alertmanager.is_it, alertmanager.words),
    (grafana.is_it, grafana.words),
    (stripe.is_it, stripe.words),
    (sentry.is_it, sentry.words),
    (gitlab.is_it, gitlab.words),
)


@frozen
class Wording:
    """Words events. `providers` are the endpoints', by slug."""

    providers: Mapping[str, str]

    def message(self, event: Event, document: Any, body: bytes) -> Message:
        """Say what happened; never raises.

        `document` is what `body` says, None where it is no JSON or form, or was not read.
        """
        message = self._words(event, document) or generic.words(event, document, body)
        footer = joined(event.endpoint, event.event_type or "", by=" · ")
        return replace(message, footer=footer) if not message.footer else message

    def _words(self, event: Event, document: Any) -> Message | None:
        if not isinstance(document, dict):
            return None
        if event.endpoint == ALERTS:
            return own.words(event.event_type or "", document)
        words = BY_PROVIDER.get(self.providers.get(event.endpoint, ""))
        headers = {name.lower(): value for name, value in event.headers}
        if words is None:
            words = next((BY_HEADER[name] for name in BY_HEADER if name in headers), None)
        if words is None:
            words = next((words for is_it, words in BY_SHAPE if is_it(document)), None)
        if words is None:
            return None
        event_type = headers.get("x-github-event") or event.event_type or ""
        return words(event_type, document)
