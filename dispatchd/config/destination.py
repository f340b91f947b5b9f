"""Where events go: a destination, how it is reached, when it is tried again."""

import ssl
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from dispatchd.config.delivery import BreakerConfig, Retry, RetryConfig, SpacingRate
from dispatchd.config.fields import (
    EMPTY_MAPPING,
    PRESENT,
    DurationS,
    EventTypes,
    Switch,
    Whole,
)
from dispatchd.config.outgoing import OutgoingConfig
from dispatchd.config.part import Part
from dispatchd.config.values import check_proxy, check_url, private_address, safe_url
from dispatchd.gates import BreakerPolicy
from dispatchd.model import Via

NO_PROXY: Final = "none"


def _checked_proxy(value: SecretStr) -> SecretStr:
    if value.get_secret_value() != NO_PROXY:
        check_proxy(value.get_secret_value())
    return value


Proxy = Annotated[SecretStr, AfterValidator(_checked_proxy)]


def _unusable(what: str, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"does not hold {what} in PEM that can be used together"
    return f"cannot be read: {error.strerror}"


class TlsConfig(Part):
    """How a destination proves itself, and dispatchd to it."""

    ca: Annotated[str | None, PRESENT] = Field(
        None, description="A PEM file of authorities, in place of the system's."
    )
    cert: Annotated[str | None, PRESENT] = Field(
        None, description="A PEM file with dispatchd's certificate; it may hold its key too."
    )
    key: Annotated[str | None, PRESENT] = Field(
        None, description="A PEM file with the certificate's key."
    )
    verify: Switch = Field(
        default=True, description="false trusts whoever answers: for tests alone."
    )

    @field_validator("ca")
    @classmethod
    def _is_authority(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=value)
            except OSError as error:
                raise ValueError(_unusable("authorities", error)) from None
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.ca is not None and not self.verify:
            raise ValueError("has a ca, and verify: false, which does not ask it; remove one")
        if self.cert is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                # A key with a password is refused: nobody is there to type it.
                context.load_cert_chain(self.cert, self.key, password=lambda: b"")
            except OSError as error:
                raise ValueError(_unusable("a certificate and its key", error)) from None
        elif self.key is not None:
            raise ValueError("has a key without its certificate; set cert too")
        return self


class DestinationConfig(OutgoingConfig):
    """Where events go."""

    type: Literal["webhook"] = Field("webhook", description="What kind of destination it is.")
    url: SecretStr = Field(
        description="The http(s) URL that is posted to, or http+unix://%2Fpath%2Fof.sock/path."
    )
    event_types: EventTypes = Field(
        (), description="Globs (* and ?) of the event types it wants; none means all."
    )
    timeout_s: DurationS = Field(
        30.0,
        alias="timeout",
        json_schema_extra={"default": "30s"},
        description="For the whole exchange, from connecting to the last byte.",
    )
    max_in_flight: Whole = Field(
        16, ge=1, le=1024, description="How many exchanges run at once; 1 is one after another."
    )
    retry: Retry = Field(
        default_factory=RetryConfig,
        description="When a failed delivery is tried again: a preset's name, or a section.",
    )
    breaker: Annotated[BreakerConfig | None, PRESENT] = Field(
        None, description="When to stop sending to it while it is down; off unless written."
    )
    rate_limit: Annotated[SpacingRate | None, PRESENT] = Field(
        None, description="How often at most, e.g. 10/s: requests are spaced, none is dropped."
    )
    ordered: Switch = Field(
        default=False,
        description="true sends one at a time, strictly in order of receipt.",
    )
    on_failed: Literal["continue", "hold"] = Field(
        "continue",
        description="With `ordered`: what happens behind a delivery that failed for good.",
    )
    proxy: Annotated[Proxy | None, PRESENT] = Field(
        None, description="An HTTP proxy for it alone; none goes straight."
    )
    tls: Annotated[TlsConfig, EMPTY_MAPPING] = Field(
        default_factory=TlsConfig, description="How it proves itself, and dispatchd to it."
    )
    allow_private: Switch = Field(
        default=True, description="false refuses addresses that are not public."
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        check_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.ordered and self.max_in_flight != 1 and "max_in_flight" in self.model_fields_set:
            raise ValueError("`ordered` sends one at a time: remove `max_in_flight`")
        if self.on_failed == "hold" and not self.ordered:
            raise ValueError("`on_failed: hold` holds what is behind it: set `ordered: true`")
        return self

    def breaker_policy(self) -> BreakerPolicy:
        """Return when the lane is held: without `breaker`, for a 410 alone."""
        return BreakerPolicy() if self.breaker is None else self.breaker.policy()

    @field_validator("timeout_s")
    @classmethod
    def _some_time(cls, value: float) -> float:
        if not 0.001 <= value <= 3600:  # noqa: PLR2004
            raise ValueError("must be between 1ms and 1h")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        url = self.url.get_secret_value()
        unix = url.startswith("http+unix:")
        if unix and (self.proxy is not None or not self.allow_private):
            raise ValueError("its url is a local socket: proxy and allow_private do not apply")
        if not self.allow_private and private_address(url):
            raise ValueError("its url names a private address, which allow_private: false refuses")
        named = any(name.lower() == "authorization" for name in self.headers)
        if named and "@" in urlsplit(url).netloc:
            raise ValueError("has a user in its url, and an Authorization header; remove one")
        return self

    def via(self, default_proxy: SecretStr | None) -> Via:
        """Return how it is reached; `default_proxy` is what all destinations use."""
        proxy = self.proxy if self.proxy is not None else default_proxy
        written = proxy.get_secret_value() if proxy is not None else NO_PROXY
        return Via(
            proxy=None if written == NO_PROXY else written,
            ca=self.tls.ca,
            cert=self.tls.cert,
            key=self.tls.key,
            verify=self.tls.verify,
            allow_private=self.allow_private,
        )

    @property
    def safe_url(self) -> str:
        """What of the URL may be shown: scheme, host and port."""
        return safe_url(self.url.get_secret_value())
