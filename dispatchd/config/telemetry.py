"""Traces by OpenTelemetry: where they go, and how many are recorded."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from dispatchd.config.fields import (
    EMPTY_MAPPING,
    PRESENT,
    Fraction,
    HeaderName,
    HeaderValue,
)
from dispatchd.config.part import Part
from dispatchd.config.values import check_url
from dispatchd.redact import header_secrets, url_secrets

TRACES_PATH: Final = "/v1/traces"
_LIBRARIES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class TelemetryConfig(Part):
    """Traces by OTLP over HTTP. What is not said here is as the OTEL_* variables say."""

    endpoint: Annotated[SecretStr | None, PRESENT] = Field(
        None,
        description="The collector's base URL, e.g. http://127.0.0.1:4318; /v1/traces is added."
        " Without it, OTEL_EXPORTER_OTLP_ENDPOINT.",
    )
    headers: Annotated[dict[HeaderName, HeaderValue], EMPTY_MAPPING] = Field(
        default_factory=dict, description="Headers for the collector, e.g. its token."
    )
    sample: Fraction = Field(
        1.0,
        ge=0,
        le=1,
        description="Which share of the traces that begin here is recorded. A sender's own trace"
        " is recorded where the sender says so.",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            written = value.get_secret_value()
            check_url(written)
            parts = urlsplit(written)
            if parts.scheme not in ("http", "https") or parts.query or "@" in parts.netloc:
                raise ValueError(
                    "must be http(s)://host:port of an OTLP receiver, without user or query; put"
                    " a token into headers"
                )
        return value

    @model_validator(mode="after")
    def _is_installed(self) -> Self:
        if not all(map(_is_there, _LIBRARIES)):
            raise ValueError(
                "needs the libraries of OpenTelemetry; install them with"
                " pip install 'dispatchd[otel]', or build the package or file with --extras otel"
            )
        return self

    @property
    def traces_url(self) -> str | None:
        """Where traces are posted to; None where the environment says."""
        if self.endpoint is None:
            return None
        base = self.endpoint.get_secret_value().rstrip("/")
        return base if base.endswith(TRACES_PATH) else base + TRACES_PATH

    def secrets(self) -> Iterator[str]:
        """Yield what is secret in the URL and the headers."""
        yield from header_secrets((k, v.get_secret_value()) for k, v in self.headers.items())
        yield from url_secrets("" if self.endpoint is None else self.endpoint.get_secret_value())


def _is_there(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # not even what it is part of
        return False
