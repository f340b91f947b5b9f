"""How a destination is reached over HTTP: proxy, TLS, which addresses."""

import ssl
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from dispatchd.config.fields import EMPTY_MAPPING, PRESENT, Switch
from dispatchd.config.part import Part
from dispatchd.config.sent import SentConfig
from dispatchd.config.values import check_proxy, private_address, safe_url
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


class ReachedConfig(SentConfig):
    """A destination that is reached over HTTP."""

    proxy: Annotated[Proxy | None, PRESENT] = Field(
        None, description="An HTTP proxy for it alone; none goes straight."
    )
    tls: Annotated[TlsConfig, EMPTY_MAPPING] = Field(
        default_factory=TlsConfig, description="How it proves itself, and dispatchd to it."
    )
    allow_private: Switch = Field(
        default=True, description="false refuses addresses that are not public."
    )

    @property
    def address(self) -> str:
        """The URL that is connected to, secrets and all."""
        raise NotImplementedError

    @property
    def safe_url(self) -> str:
        """What may be shown of it: scheme, host and port."""
        return safe_url(self.address)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        unix = self.address.startswith("http+unix:")
        if unix and (self.proxy is not None or not self.allow_private):
            raise ValueError("its url is a local socket: proxy and allow_private do not apply")
        if not self.allow_private and private_address(self.address):
            raise ValueError("its url names a private address, which allow_private: false refuses")
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
