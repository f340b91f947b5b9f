"""Destinations on phones: ntfy, gotify, pushover."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, field_validator

from dispatchd.compose.speaker import Reach, Speaker
from dispatchd.config.fields import PRESENT, Whole
from dispatchd.config.lane import of
from dispatchd.config.spoken import BaseUrl, SpokenConfig, Token, Word, base, secrets_of

NTFY: Final = "https://ntfy.sh"
PUSHOVER_API: Final = "https://api.pushover.net"
TOPIC_MAX_CHARS: Final = 64


class NtfyConfig(SpokenConfig):
    """A topic of ntfy's."""

    type: Literal["ntfy"] = Field(description="What kind of destination it is.")
    url: BaseUrl = base(NTFY, "The server's URL.")
    topic: Token = Field(description="The topic; whoever knows its name can read it.")
    token: Annotated[Token | None, PRESENT] = Field(
        None, description="An access token, tk_..., where the topic is protected."
    )
    priority: Annotated[Whole | None, PRESENT] = Field(
        None, ge=1, le=5, description="For every message; by default 4 for failures, else 3."
    )

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, value: SecretStr) -> SecretStr:
        name = value.get_secret_value().replace("-", "").replace("_", "")
        if not (name.isascii() and name.isalnum()) or len(value) > TOPIC_MAX_CHARS:
            raise ValueError("must be letters, digits, - and _, at most 64 of them")
        return value

    @property
    def address(self) -> str:
        """The server's URL."""
        return self.url.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the topic and the token."""
        yield from secrets_of(self.topic, self.token, self.url)

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.ntfy import NtfySpeaker  # noqa: PLC0415 - where it is used

        topic = self.topic.get_secret_value()
        return NtfySpeaker(self.address, topic, of(self.token), self.priority, reach)


class GotifyConfig(SpokenConfig):
    """An application at a Gotify server."""

    type: Literal["gotify"] = Field(description="What kind of destination it is.")
    url: BaseUrl = Field(description="The server's URL.")
    token: Token = Field(description="The application's token.")
    priority: Annotated[Whole | None, PRESENT] = Field(
        None, ge=0, le=10, description="For every message; by default 4, 6 or 8 by its kind."
    )

    @property
    def address(self) -> str:
        """The server's URL."""
        return self.url.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the token."""
        yield from secrets_of(self.token, self.url)

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.gotify import GotifySpeaker  # noqa: PLC0415 - where it is used

        return GotifySpeaker(self.address, self.token.get_secret_value(), self.priority, reach)


class PushoverConfig(SpokenConfig):
    """A user or a group of Pushover's."""

    type: Literal["pushover"] = Field(description="What kind of destination it is.")
    token: Token = Field(description="The application's API token.")
    user: Token = Field(description="The user's or the group's key.")
    device: Annotated[Word | None, PRESENT] = Field(
        None, description="One of the user's devices, or several with commas; by default all."
    )
    priority: Whole = Field(
        0, ge=-2, le=1, description="-2 shows nothing, -1 is quiet, 1 comes in quiet hours too."
    )
    api_url: BaseUrl = base(PUSHOVER_API, "What stands in the place of Pushover's API.")

    @property
    def address(self) -> str:
        """The API's URL."""
        return self.api_url.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield the token and the key."""
        yield from secrets_of(self.token, self.user, self.api_url)

    def _speaker(self, reach: Reach) -> Speaker:
        from dispatchd.compose.pushover import PushoverSpeaker  # noqa: PLC0415 - where it is used

        token, user = self.token.get_secret_value(), self.user.get_secret_value()
        return PushoverSpeaker(token, user, self.device, self.priority, self.address, reach)
