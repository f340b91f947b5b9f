"""The destination of type `webhook`: events go there as they came."""

from collections.abc import Iterator
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from dispatchd.config.outgoing import OutgoingConfig
from dispatchd.config.reached import ReachedConfig
from dispatchd.config.values import check_url
from dispatchd.redact import header_secrets, url_secrets


class WebhookConfig(OutgoingConfig, ReachedConfig):
    """A URL that is posted to."""

    type: Literal["webhook"] = Field("webhook", description="What kind of destination it is.")
    url: SecretStr = Field(
        description="The http(s) URL that is posted to, or http+unix://%2Fpath%2Fof.sock/path."
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        named = any(name.lower() == "authorization" for name in self.headers)
        if named and "@" in urlsplit(self.address).netloc:
            raise ValueError("has a user in its url, and an Authorization header; remove one")
        return self

    @property
    def address(self) -> str:
        """The URL that is posted to."""
        return self.url.get_secret_value()

    def secrets(self) -> Iterator[str]:
        """Yield what is secret in its URL and its headers."""
        yield from header_secrets((k, v.get_secret_value()) for k, v in self.headers.items())
        yield from url_secrets(self.address)
