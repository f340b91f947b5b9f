"""Where events go: one of the types that there are, by its `type`."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Discriminator, Tag

from dispatchd.config.chat import (
    DiscordConfig,
    GoogleChatConfig,
    MatrixConfig,
    MattermostConfig,
    MsTeamsConfig,
    SlackConfig,
    TelegramConfig,
)
from dispatchd.config.lane import LaneConfig
from dispatchd.config.mail import AppriseConfig, EmailConfig
from dispatchd.config.push import GotifyConfig, NtfyConfig, PushoverConfig
from dispatchd.config.webhook import WebhookConfig

DEFAULT_TYPE: Final = "webhook"
TYPES: Final[Mapping[str, type[LaneConfig]]] = {
    "webhook": WebhookConfig,
    "discord": DiscordConfig,
    "slack": SlackConfig,
    "telegram": TelegramConfig,
    "googlechat": GoogleChatConfig,
    "msteams": MsTeamsConfig,
    "mattermost": MattermostConfig,
    "matrix": MatrixConfig,
    "ntfy": NtfyConfig,
    "gotify": GotifyConfig,
    "pushover": PushoverConfig,
    "email": EmailConfig,
    "apprise": AppriseConfig,
}


def type_of(value: Any) -> str | None:
    """Return the type of a destination as it is written; None where there is no such type."""
    if isinstance(value, LaneConfig):
        return next(name for name, model in TYPES.items() if type(value) is model)
    named = value.get("type", DEFAULT_TYPE) if isinstance(value, dict) else DEFAULT_TYPE
    return named if isinstance(named, str) and named in TYPES else None


Destination = Annotated[
    Annotated[WebhookConfig, Tag("webhook")]
    | Annotated[DiscordConfig, Tag("discord")]
    | Annotated[SlackConfig, Tag("slack")]
    | Annotated[TelegramConfig, Tag("telegram")]
    | Annotated[GoogleChatConfig, Tag("googlechat")]
    | Annotated[MsTeamsConfig, Tag("msteams")]
    | Annotated[MattermostConfig, Tag("mattermost")]
    | Annotated[MatrixConfig, Tag("matrix")]
    | Annotated[NtfyConfig, Tag("ntfy")]
    | Annotated[GotifyConfig, Tag("gotify")]
    | Annotated[PushoverConfig, Tag("pushover")]
    | Annotated[EmailConfig, Tag("email")]
    | Annotated[AppriseConfig, Tag("apprise")],
    Discriminator(type_of),
]
