"""Where events go: one of the types that there are, by its `type`.

A type's model is built when a config names it: all of them take a tenth of the start.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Final, Union

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dispatchd.config.lane import LaneConfig

UNKNOWN: Final = "unknown_destination_type"
DEFAULT_TYPE: Final = "webhook"
TYPES: Final[Mapping[str, str]] = {  # which module has the model, and what it is called there
    "webhook": "webhook.WebhookConfig",
    "discord": "chat.DiscordConfig",
    "slack": "chat.SlackConfig",
    "telegram": "chat.TelegramConfig",
    "googlechat": "chat.GoogleChatConfig",
    "msteams": "chat.MsTeamsConfig",
    "mattermost": "chat.MattermostConfig",
    "matrix": "chat.MatrixConfig",
    "ntfy": "push.NtfyConfig",
    "gotify": "push.GotifyConfig",
    "pushover": "push.PushoverConfig",
    "email": "mail.EmailConfig",
    "apprise": "mail.AppriseConfig",
    "command": "command.CommandConfig",
    "pull": "pull.PullConfig",
}


def model_of(kind: str) -> type[LaneConfig]:
    """Return the model of a type. Raises KeyError where there is none."""
    module, _, name = TYPES[kind].partition(".")
    model: type[LaneConfig] = getattr(import_module(f"dispatchd.config.{module}"), name)
    return model


def kind_of(value: Any) -> Any:
    """Return the type of a destination as it is written: what is no mapping might be a webhook."""
    return value.get("type", DEFAULT_TYPE) if isinstance(value, dict) else DEFAULT_TYPE


def _read(value: Any) -> LaneConfig:
    if isinstance(value, LaneConfig):
        return value
    kind = kind_of(value)
    if not isinstance(kind, str) or kind not in TYPES:
        raise PydanticCustomError(UNKNOWN, "unknown type")
    return model_of(kind).model_validate(value)


class _ByType:
    """Reads a destination by the model of its type."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_read)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        any_of_them: Any = Union[tuple(map(model_of, TYPES))]  # noqa: UP007 - of a list of them
        return handler(TypeAdapter(any_of_them).core_schema)


Destination = Annotated[LaneConfig, _ByType]
