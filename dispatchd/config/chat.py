"""Destinations in chats: discord, slack, telegram, googlechat, msteams, mattermost, matrix."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dispatchd.compose.speaker import Reach, Speaker
from dispatchd.config.delivery import SpacingRate
from dispatchd.config.fields import PRESENT, Switch, Whole
from dispatchd.config.lane import paced
from dispatchd.config.spoken import (
    BaseUrl,
    HookUrl,
    SpokenConfig,
    Token,
    Word,
    base,
    secrets_of,
)

SLACK_API: Final = "https://slack.com/api"
TELEGRAM_API: Final = "https://api.telegram.org"


def _as_text(value: Any) -> Any:
    """Read a number where an id is asked for that is made of digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[Word, BeforeValidator(_as_text, json_schema_input_type=str | int)]
SlackThread = Annotated[Word, Field(pattern=r"^[0-9]+\.[0-9]+$")]


class _HookConfig(SpokenConfig):
    """A destination that is a webhook's URL, which is all of the secret there is."""

    url: HookUrl = Field(description="The webhook's URL.")

    @property
    def address(self) -> str:
        """The webhook's URL."""
        return self.url.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the parts of the URL."""
        yield from secrets_of(self.url)


class DiscordConfig(_HookConfig):
    """A channel of Discord's, by its webhook."""

    type: Literal["discord"] = Field(description="What kind of destination it is.")
    thread: Annotated[Id | None, PRESENT] = Field(
        None, description="The id of a thread or forum post in the webhook's channel."
    )
    rate_limit: SpacingRate = paced("150/m", "Discord's five in two seconds")

    @field_validator("thread")
    @classmethod
    def _is_id(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isdigit()):
            raise ValueError("is no id: it is all digits; put it in quotes")
        return value

    @field_validator("url")
    @classmethod
    def _is_plain(cls, value: HookUrl) -> HookUrl:
        if re.search(r"/(slack|github)/?(\?|$)", value.get_secret_value()):
            raise ValueError("is the webhook's URL for another format; leave off its last part")
        return value

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.discord import DiscordSpeaker  # noqa: PLC0415 - where it is used

        return DiscordSpeaker(self.address, self.thread, reach)


class SlackConfig(SpokenConfig):
    """A channel of Slack's: by an incoming webhook, or by a bot."""

    type: Literal["slack"] = Field(description="What kind of destination it is.")
    url: Annotated[HookUrl | None, PRESENT] = Field(
        None, description="The incoming webhook's URL; or else token and channel."
    )
    token: Annotated[Token | None, PRESENT] = Field(
        None, description="A bot's token, xoxb-..., with the scope chat:write."
    )
    channel: Annotated[Word | None, PRESENT] = Field(
        None, description="With a token: the channel's id, or its name with a #."
    )
    thread: Annotated[SlackThread | None, PRESENT] = Field(
        None, description="The ts of a message: what is said are answers to it."
    )
    api_url: BaseUrl = base(SLACK_API, "Slack's Web API, or what stands in its place.")
    rate_limit: SpacingRate = paced("1/s", "Slack's one a second")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_bot = self.token is not None or self.channel is not None
        if self.url is not None and by_bot:
            raise ValueError("has a url, and a token or channel; keep the one or the other")
        if self.url is None and (self.token is None or self.channel is None):
            raise ValueError("needs a url, or a token and a channel")
        return self

    @property
    def address(self) -> str:
        """The webhook's URL, or the API's."""
        return (self.api_url if self.url is None else self.url).get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the token, and the parts of the URL."""
        yield from secrets_of(self.url, self.token)

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose import slack  # noqa: PLC0415 - where it is used

        if self.token is None or self.channel is None:
            return slack.SlackWebhookSpeaker(self.address, self.thread, reach)
        return slack.SlackBotSpeaker(
            self.token.get_secret_value(), self.channel, self.thread, self.address, reach
        )


class TelegramConfig(SpokenConfig):
    """A chat of Telegram's, by a bot."""

    type: Literal["telegram"] = Field(description="What kind of destination it is.")
    token: Token = Field(description="The bot's token, as BotFather gives it.")
    chat: Id = Field(description="The chat's id, or a public channel's @name.")
    topic: Annotated[Whole | None, PRESENT] = Field(
        None, ge=1, description="The id of a topic, in a group that has them."
    )
    silent: Switch = Field(default=False, description="true notifies without a sound.")
    api_url: BaseUrl = base(TELEGRAM_API, "A Bot API server of your own.")
    rate_limit: SpacingRate = paced("1/s", "Telegram's one a second in a chat")

    @field_validator("token")
    @classmethod
    def _is_bots(cls, value: Token) -> Token:
        if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", value.get_secret_value()):
            raise ValueError("is no bot's token; it has the form 123456:ABC-DEF")
        return value

    @property
    def address(self) -> str:
        """The API's URL."""
        return self.api_url.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the token, and what stands behind its colon."""
        yield from secrets_of(self.token, self.api_url)
        yield self.token.get_secret_value().partition(":")[2]

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.telegram import TelegramSpeaker  # noqa: PLC0415 - where it is used

        return TelegramSpeaker(
            self.token.get_secret_value(), self.chat, self.topic, self.silent, self.address, reach
        )


class GoogleChatConfig(_HookConfig):
    """A space of Google Chat's, by its webhook."""

    type: Literal["googlechat"] = Field(description="What kind of destination it is.")
    thread: Annotated[Word | None, PRESENT] = Field(
        None, description="A key of your own: messages with the same key stand in one thread."
    )
    rate_limit: SpacingRate = paced("1/s", "Google's one a second in a space")

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.googlechat import GoogleChatSpeaker  # noqa: PLC0415 - likewise

        return GoogleChatSpeaker(self.address, self.thread, reach)


class MsTeamsConfig(_HookConfig):
    """A channel or chat of Microsoft Teams', by a workflow's webhook."""

    type: Literal["msteams"] = Field(description="What kind of destination it is.")
    rate_limit: SpacingRate = paced("4/s", "Teams' four a second")

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.msteams import MsTeamsSpeaker  # noqa: PLC0415 - where it is used

        return MsTeamsSpeaker(self.address, reach)


class MattermostConfig(_HookConfig):
    """A channel of Mattermost's, by an incoming webhook."""

    type: Literal["mattermost"] = Field(description="What kind of destination it is.")
    channel: Annotated[Word | None, PRESENT] = Field(
        None, description="Another channel than the webhook's own, by its name in the URL."
    )

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.mattermost import MattermostSpeaker  # noqa: PLC0415 - likewise

        return MattermostSpeaker(self.address, self.channel, reach)


class MatrixConfig(SpokenConfig):
    """A room of Matrix's."""

    type: Literal["matrix"] = Field(description="What kind of destination it is.")
    homeserver: BaseUrl = Field(description="The homeserver's URL, https://matrix.example.com.")
    token: Token = Field(description="An access token of a user who is in the room.")
    room: Word = Field(description="The room's id, !abc:example.com; not its alias.")

    @field_validator("room")
    @classmethod
    def _is_room(cls, value: str) -> str:
        if not value.startswith("!"):
            raise ValueError("is no room's id, which begins with !; the room's settings show it")
        return value

    @property
    def address(self) -> str:
        """The homeserver's URL."""
        return self.homeserver.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the token."""
        yield from secrets_of(self.token, self.homeserver)

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.matrix import MatrixSpeaker  # noqa: PLC0415 - where it is used

        return MatrixSpeaker(self.address, self.token.get_secret_value(), self.room, reach)
