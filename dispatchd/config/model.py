"""The config's shape: frozen pydantic models, which also print the JSON Schema for editors.

Names in the YAML are the contract's; where a value has a unit, the attribute says so.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from dispatchd.config.advice import advice
from dispatchd.config.alerts import AlertConfig
from dispatchd.config.destination import Destination
from dispatchd.config.fields import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    PRESENT,
    BearerToken,
    DurationS,
    ListenAt,
    Name,
    Network,
    SizeBytes,
    Slug,
    Switch,
    Whole,
)
from dispatchd.config.link import LinkConfig, check_filter
from dispatchd.config.part import Part
from dispatchd.config.reached import Proxy
from dispatchd.config.refused import RefusedConfig
from dispatchd.config.sender import PublicBase, SenderConfig
from dispatchd.config.telemetry import TelemetryConfig
from dispatchd.config.way import Way, way_to
from dispatchd.durations import duration_ms
from dispatchd.model import Listen

# Endpoint ids are derived from slugs in this namespace; it must never change.
NAMESPACE: Final = uuid.UUID("5d0f4a6e-7f0b-5d7e-9c39-2f4f6f1f8a11")
FAILED_TIMES: Final = 3  # what failed for good waits for somebody to look: longer than the rest
MAX_SIZE_MIN_BYTES: Final = 1024**2
_PREFIX: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", re.ASCII)
_HASH: Final = re.compile(r"sha256:[0-9a-fA-F]{64}", re.ASCII)


def endpoint_id(slug: str) -> str:
    """Return the id of an endpoint that names none: stable for its slug."""
    return str(uuid.uuid5(NAMESPACE, slug))


class ServerConfig(Part):
    """The public listener."""

    listen: ListenAt = Field(
        Listen("127.0.0.1", 8080),
        json_schema_extra={"default": "127.0.0.1:8080"},
        description="Where webhooks come in: host:port, [v6]:port, unix:/path or systemd.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], EMPTY_LIST] = Field(
        (), description="Addresses or networks whose X-Forwarded-For is believed."
    )
    max_body_bytes: SizeBytes = Field(
        10 * 1024 * 1024,
        alias="max_body",
        json_schema_extra={"default": "10MiB"},
        description="The largest body accepted, e.g. 10MiB.",
    )

    max_connections: Whole = Field(
        4096, ge=1, le=60_000, description="How many connections are open at once; more are closed."
    )
    max_connections_per_client: Whole = Field(
        256, ge=1, le=60_000, description="How many of one address; trusted proxies are exempt."
    )
    public_url: Annotated[PublicBase | None, PRESENT] = Field(
        None,
        description="How senders reach this listener, e.g. https://hooks.example.com, for"
        " signatures that cover the URL.",
    )

    def hook_url(self, slug: str) -> str:
        """Return how senders reach an endpoint; empty where no public URL is known."""
        return f"{self.public_url}/hooks/{slug}" if self.public_url else ""

    @field_validator("max_body_bytes")
    @classmethod
    def _some_body(cls, value: int) -> int:
        if not 1 <= value <= 100 * 1024 * 1024:
            raise ValueError("must be between 1B and 100MiB: bodies are held in memory")
        return value


class AdminConfig(Part):
    """The admin listener: API, metrics and health, at an address of its own."""

    listen: ListenAt = Field(
        Listen("127.0.0.1", 8081),
        description="Where it listens; never the same as server.listen.",
        json_schema_extra={"default": "127.0.0.1:8081"},
    )
    token: Annotated[BearerToken | None, PRESENT] = Field(
        None,
        description="What clients prove themselves by; required unless only this machine can ask.",
    )


class RetentionConfig(Part):
    """How long what owes nothing is kept."""

    events_s: DurationS = Field(
        30 * 86_400.0,
        alias="events",
        json_schema_extra={"default": "30d"},
        description="How old events get before they are deleted.",
    )
    failed_s: Annotated[DurationS | None, PRESENT] = Field(
        None,
        alias="failed",
        description="How old those get of which a delivery failed for good; 3 x `events`.",
    )

    max_bytes: Annotated[SizeBytes | None, PRESENT] = Field(
        None,
        alias="max_size",
        description="How large the database may get before the oldest are deleted, e.g. 5GiB.",
    )

    @property
    def failed_or_default_s(self) -> float:
        """How long events are kept of which a delivery failed for good."""
        return FAILED_TIMES * self.events_s if self.failed_s is None else self.failed_s

    @model_validator(mode="after")
    def _some_history(self) -> "RetentionConfig":
        if self.events_s < 1:
            raise ValueError("`events` must be at least 1s")
        if self.failed_or_default_s < self.events_s:
            raise ValueError("`failed` must not be shorter than `events`")
        if self.max_bytes is not None and self.max_bytes < MAX_SIZE_MIN_BYTES:
            raise ValueError("`max_size` must be at least 1MiB")
        return self


def _retention(value: Any) -> Any:
    """Read a duration as that of the events, with its own words where it is none."""
    if isinstance(value, (dict, RetentionConfig)):
        return value
    if duration_ms(value) < 1000:  # noqa: PLR2004 - ms in the second that is the least
        raise ValueError("must be at least 1s")
    return {"events": value}


Retention = Annotated[
    RetentionConfig,
    BeforeValidator(_retention, json_schema_input_type=DurationS | RetentionConfig),
]


class StorageConfig(Part):
    """Where everything is kept."""

    url: str = Field(
        "sqlite:///dispatchd.db",
        description="sqlite:///relative/to/this/file or sqlite:////absolute/path.",
    )
    retention: Retention = Field(
        RetentionConfig(events="30d"),
        json_schema_extra={"default": "30d"},
        description="How old events get before they are deleted, or the ages and a size.",
    )
    min_free_bytes: Annotated[SizeBytes | None, PRESENT] = Field(
        None,
        alias="min_free",
        description="With less free disk than this, webhooks are answered 503, e.g. 256MiB.",
    )
    backup_before_upgrade: Switch = Field(
        default=True,
        description="Whether a database is copied before a newer dispatchd changes its schema.",
    )

    @property
    def path(self) -> str:
        """The database file; once its config is loaded from a file, its whole path."""
        return self.url.partition(":///")[2]

    @field_validator("url")
    @classmethod
    def _known_backend(cls, value: str) -> str:
        scheme, separator, path = value.partition(":///")
        if path.startswith(":memory:") or path.endswith("/"):
            raise ValueError("must name a file: a database in memory keeps nothing")
        if scheme != "sqlite" or not separator or not path or "?" in path or "\0" in path:
            raise ValueError("must be sqlite:///relative/path or sqlite:////absolute/path")
        return value


class ApiKeyConfig(Part):
    """An API key, of senders or of a queue: `dispatchd key new` prints this entry."""

    name: str = Field(
        description="Who holds the key; shown in the log.", min_length=1, max_length=64
    )
    hash: str = Field(description="sha256:<hex> of the whole key; the key itself is kept nowhere.")
    pull: Annotated[Name | None, PRESENT] = Field(
        None, description="The queue it opens, and nothing else; without, it opens every endpoint."
    )

    @field_validator("hash")
    @classmethod
    def _is_hash(cls, value: str) -> str:
        if not _HASH.fullmatch(value):
            raise ValueError("must be sha256: and 64 hex digits, as `dispatchd key new` prints it")
        return value.lower()

    @property
    def sha256(self) -> bytes:
        """The digest itself."""
        return bytes.fromhex(self.hash.removeprefix("sha256:"))


def _link(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


Link = Annotated[LinkConfig, BeforeValidator(_link, json_schema_input_type=str | LinkConfig)]


class EndpointConfig(SenderConfig):
    """Where webhooks of one sender come in; its key is the slug in `POST /hooks/<slug>`."""

    id: str = Field(
        "", description="A UUID sent as X-Dispatch-Endpoint-ID; by default derived from the slug."
    )
    event_type_path: Annotated[str | None, PRESENT] = Field(
        None, description="Where the event type stands in the JSON body: action, event.type."
    )
    filter: Annotated[str | dict[str, Any] | None, PRESENT] = Field(
        None, description="Which events are let in: a JSONata expression, or paths with values."
    )
    refused: Annotated[RefusedConfig, EMPTY_MAPPING] = Field(
        default_factory=RefusedConfig,
        description="How many of the requests that it refuses are kept, and how much of them.",
    )
    active: Switch = Field(
        default=True, description="false answers 404, as if the endpoint were not there."
    )
    destinations: Annotated[tuple[Link, ...], EMPTY_LIST] = Field(
        (), description="Where its events go: a name, or a link with to, event_types, transform."
    )

    _filter_compiles = field_validator("filter")(check_filter)

    @field_validator("id")
    @classmethod
    def _is_uuid(cls, value: str) -> str:
        try:
            return str(uuid.UUID(value))
        except ValueError:
            raise ValueError("is not a UUID; leave it out to have one derived") from None

    @field_validator("event_type_path")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        if value is not None and not all(value.split(".")):
            raise ValueError("is not a dot path; write action or event.type")
        return value


def _url(destination: Destination) -> str:
    """Return where a destination is posted to; empty for a type that has no URL."""
    url = getattr(destination, "url", None)
    return url.get_secret_value() if isinstance(url, SecretStr) else ""


NullableEndpoint = Annotated[EndpointConfig, EMPTY_MAPPING]


class Config(Part):
    """Everything dispatchd is told."""

    server: Annotated[ServerConfig, EMPTY_MAPPING] = Field(
        default_factory=ServerConfig, description="The public listener."
    )
    admin: AdminConfig | None = Field(
        None, description="The admin listener: not started unless this section is there."
    )
    storage: Annotated[StorageConfig, EMPTY_MAPPING] = Field(
        default_factory=StorageConfig, description="Where everything is kept."
    )
    header_prefix: str = Field(
        "dispatch", description="The word in X-Dispatch-Event-ID and its like."
    )
    telemetry: TelemetryConfig | None = Field(
        None, description="Traces by OpenTelemetry: none unless this section is there."
    )
    proxy: Annotated[Proxy | None, PRESENT] = Field(
        None, description="An HTTP proxy that destinations are reached through."
    )
    api_keys: Annotated[tuple[ApiKeyConfig, ...], EMPTY_LIST] = Field(
        (),
        description="Keys that are accepted at every endpoint in place of a signature, and keys of"
        " queues.",
    )
    endpoints: Annotated[dict[Slug, NullableEndpoint], EMPTY_MAPPING] = Field(
        default_factory=dict, description="Where webhooks come in, by slug."
    )
    templates: Annotated[dict[Name, dict[str, Any]], EMPTY_MAPPING] = Field(
        default_factory=dict,
        description="What to say, by name: `default`, or in the terms of a type of destination.",
    )
    destinations: Annotated[dict[Name, Destination], EMPTY_MAPPING] = Field(
        default_factory=dict, description="Where events go, by name."
    )

    alerts: Annotated[tuple[AlertConfig, ...], EMPTY_LIST] = Field(
        (), description="What is told of dispatchd itself, and to which destination."
    )

    _references: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("header_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value) or len(value) > 64:  # noqa: PLR2004
            raise ValueError(
                "must be letters, digits and single hyphens: it is part of a header name"
            )
        return value

    @field_validator("endpoints")
    @classmethod
    def _derived_ids(cls, value: dict[str, EndpointConfig]) -> dict[str, EndpointConfig]:
        return {
            slug: e if e.id else e.model_copy(update={"id": endpoint_id(slug)})
            for slug, e in value.items()
        }

    def endpoint_keys(self) -> tuple[ApiKeyConfig, ...]:
        """Return the keys that endpoints accept."""
        return tuple(key for key in self.api_keys if key.pull is None)

    def remember(self, references: Mapping[str, str]) -> None:
        """Remember how texts with references were written, by what they became."""
        self._references = references

    def as_written(self, value: Any) -> Any:
        """Return free text, or a tree with some in it, with the references that made it.

        What they gave may be a token, in a filter or a template as well as in a header.
        """
        if isinstance(value, Mapping):
            return {key: self.as_written(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.as_written(item) for item in value]
        return self._references.get(value, value) if isinstance(value, str) else value

    def way(self, to: str) -> Way:
        """Return what an alert to the destination `to` comes by."""
        return way_to(
            to,
            {name: _url(destination) for name, destination in self.destinations.items()},
            {slug: [link.to for link in e.destinations] for slug, e in self.endpoints.items()},
            self.server.listen,
            self.server.public_url,
        )

    def warnings(self) -> list[str]:
        """Return what works but is not what its writer may expect."""
        return advice(self)
