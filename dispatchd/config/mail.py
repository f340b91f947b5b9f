"""Destinations that carry themselves: email, apprise."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from dispatchd.compose.speaker import Speaker
from dispatchd.config.fields import EMPTY_MAPPING, PRESENT, Secret, Whole, one_or_more
from dispatchd.config.lane import of
from dispatchd.config.reached import TlsConfig
from dispatchd.config.sent import SentConfig
from dispatchd.config.spoken import Word, secrets_of
from dispatchd.model import MailServer, Via

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}", re.ASCII)
Item = TypeVar("Item")
MANY_MAX: Final = 50
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


def _some(value: tuple[Item, ...]) -> tuple[Item, ...]:
    if not 1 <= len(value) <= MANY_MAX:
        raise ValueError(f"must name at least one, and at most {MANY_MAX}")
    return value


def _is_address(value: str) -> str:
    from dispatchd.compose.mail import address_of  # noqa: PLC0415 - where it is used

    try:
        address_of(value)
    except ValueError:
        raise ValueError("is no address; write ops@example.com or Ops <ops@example.com>") from None
    return value


def _is_host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("is neither a name nor an address; the port is a key of its own")
    return value


Host = Annotated[str, AfterValidator(_is_host)]
Address = Annotated[Word, AfterValidator(_is_address)]


class EmailConfig(SentConfig):
    """Mail, by a server that takes it on."""

    type: Literal["email"] = Field(description="What kind of destination it is.")
    host: Host = Field(description="The mail server that takes it on, smtp.example.com.")
    port: Annotated[Whole | None, PRESENT] = Field(
        None, ge=1, le=65535, description="By default 587, with security: tls 465, with none 25."
    )
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is encrypted; none only to this machine."
    )
    user: Annotated[Word | None, PRESENT] = Field(None, description="Who logs in.")
    password: Annotated[Secret | None, PRESENT] = Field(
        None, description="And with which password."
    )
    sender: Address = Field(
        alias="from", description="Whom it is from: ops@example.com, or with a name."
    )
    to: Annotated[
        tuple[Address, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
        AfterValidator(_some),
    ] = Field(description="Whom it is for: an address, or a list of up to 50.")
    max_in_flight: Whole = Field(2, ge=1, le=1024, description="How many mails are sent at once.")
    tls: Annotated[TlsConfig, EMPTY_MAPPING] = Field(
        default_factory=TlsConfig, description="How it proves itself, and dispatchd to it."
    )

    @model_validator(mode="after")
    def _logs_in(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.security == "none" and self.user is not None and not self._is_here():
            raise ValueError("would send its password in the clear; set security: starttls or tls")
        return self

    def _is_here(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def safe_url(self) -> str:
        """What may be shown of it: the server."""
        scheme = "smtps" if self.security == "tls" else "smtp"
        return f"{scheme}://{self.host}:{self._port()}"

    def secrets(self) -> Iterator[str]:
        """Yield the password, and with the user as SMTP's AUTH PLAIN has both (RFC 4616)."""
        yield from secrets_of(self.password)
        if self.password is not None:
            yield f"\0{self.user}\0{self.password.get_secret_value()}"

    def _port(self) -> int:
        return PORTS[self.security] if self.port is None else self.port

    def speaker(self, default_proxy: SecretStr | None) -> Speaker:  # noqa: ARG002 - HTTP's alone
        """Return what speaks there."""
        from dispatchd.compose.mail import MailSpeaker  # noqa: PLC0415 - where it is used

        return MailSpeaker(self.server(), self.sender, self.to, self.timeout_s)

    def server(self) -> MailServer:
        """Return the server that takes mails on."""
        via = Via(ca=self.tls.ca, cert=self.tls.cert, key=self.tls.key, verify=self.tls.verify)
        return MailServer(self.host, self._port(), self.security, self.user, of(self.password), via)


def _is_service(value: Secret) -> Secret:
    text = value.get_secret_value()
    if "://" not in text or not text.isprintable():
        raise ValueError("is no URL of Apprise's; write scheme://...")
    return value


class AppriseConfig(SentConfig):
    """Whatever the library Apprise can notify."""

    type: Literal["apprise"] = Field(description="What kind of destination it is.")
    urls: Annotated[
        tuple[Annotated[Secret, AfterValidator(_is_service)], ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
        AfterValidator(_some),
    ] = Field(description="Apprise's URLs of the services, one or a list.")
    max_in_flight: Whole = Field(
        1, ge=1, le=16, description="How many notices are sent at once, each by a process."
    )

    @model_validator(mode="after")
    def _is_installed(self) -> Self:
        if find_spec("apprise") is None:
            raise ValueError(
                "needs the library Apprise; install it with pip install 'dispatchd[apprise]',"
                " or build the package or file with --extras apprise"
            )
        return self

    @property
    def safe_url(self) -> str:
        """What may be shown of it: the schemes."""
        found = [url.get_secret_value().partition("://")[0] for url in self.urls]
        return ", ".join(f"{scheme}://" for scheme in dict.fromkeys(found))

    def secrets(self) -> Iterator[str]:
        """Yield the URLs and their parts."""
        yield from secrets_of(*self.urls)

    def speaker(self, default_proxy: SecretStr | None) -> Speaker:  # noqa: ARG002 - HTTP's alone
        """Return what speaks there."""
        from dispatchd.compose.apprise import AppriseSpeaker  # noqa: PLC0415 - where it is used

        urls = tuple(url.get_secret_value() for url in self.urls)
        return AppriseSpeaker(urls, self.timeout_s)
