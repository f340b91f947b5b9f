"""How an endpoint's sender is known and read: provider, keys, bodies, duplicates, filters."""

from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from dispatchd.config.fields import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    PRESENT,
    DurationMs,
    DurationS,
    HeaderToken,
    Network,
    Secret,
    one_or_more,
)
from dispatchd.config.greeting import AnswerConfig, Named
from dispatchd.config.jwt import JwtConfig
from dispatchd.config.part import Part
from dispatchd.config.values import check_header_token
from dispatchd.limits import Rate, read_rate
from dispatchd.verify import (
    ApiKey,
    Auth,
    Listed,
    SignatureSpec,
    covers_url,
    provider_names,
    public_url_problem,
)


def _public_url(value: str) -> str:
    if (problem := public_url_problem(value)) is not None:
        raise ValueError(problem)
    return value


def _path(value: str) -> str:
    if not all(value.split(".")):
        raise ValueError("is not a dot path; write action or event.type")
    return value


def _rate(value: Any) -> Rate:
    """Read `100/s`, or `{rate: 100/s, burst: 200}`."""
    burst = None
    if isinstance(value, dict) and set(value) <= {"rate", "burst"}:
        value, burst = value.get("rate"), value.get("burst")
        if burst is not None and (isinstance(burst, bool) or not isinstance(burst, int)):
            raise ValueError("needs a whole number as its burst")
    if not isinstance(value, str):
        raise ValueError("is not a rate; write 100/s, or {rate: 100/s, burst: 200}")  # noqa: TRY004 - likewise
    rate = read_rate(value)
    if burst is None:
        return rate
    if burst < 1:
        raise ValueError("needs a burst of at least 1")
    return Rate(rate.per_s, burst)


def _template(value: str) -> str:
    """Check the names of the headers in a template; the rest of it is the verifier's to judge."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(value) if field]
    except ValueError:
        return value
    for field in fields:
        if field.startswith("header.") and len(field) > len("header."):
            check_header_token(field.removeprefix("header."))
    return value


RateLimit = Annotated[Rate, BeforeValidator(_rate, json_schema_input_type=str | dict[str, Any])]
PublicUrl = Annotated[str, AfterValidator(_public_url)]  # as registered, to its last slash
PublicBase = Annotated[PublicUrl, AfterValidator(lambda value: value.rstrip("/"))]
DotPath = Annotated[str, AfterValidator(_path)]


_PROVIDERS: dict[str, Any] = {"enum": sorted(provider_names())}  # for editors to complete


class ListConfig(Part):
    """How one header lists several signatures, and perhaps the timestamp: `t=1,v1=aa,v1=bb`."""

    separator: str = Field(",", description="What stands between the items.")
    assign: str = Field("=", description="What stands between an item's name and its value.")
    version: str = Field("v1", description="The name of the signatures; other names are skipped.")
    timestamp: str = Field("", description="The name of the timestamp, where the list has it.")


class SignatureConfig(Part):
    """A signature scheme of your own, for a sender that has no provider name."""

    header: HeaderToken = Field("", description="The header that holds the signature.")
    path: str = Field("", description="Or where it stands in the JSON body, as a dot path.")
    query: str = Field("", description="Or the field of the query that holds the secret itself.")
    basic: Annotated[str | None, PRESENT] = Field(
        None, description="Or the user of HTTP Basic, whose password is the secret."
    )
    algorithm: Literal[
        "sha256", "sha1", "sha384", "sha512", "ed25519", "ecdsa-p256", "rsa-sha256"
    ] = Field("sha256", description="The hash of the HMAC, or what kind public_key is of.")
    encoding: Literal["hex", "base64", "plain"] = Field(
        "hex", description="How the signature is spelled; plain: it is the secret itself."
    )
    key: Literal["text", "hex", "base64"] = Field(
        "text", description="How the secret is written: as it is, or as hex or base64 of the key."
    )
    listed: Annotated[ListConfig | None, PRESENT] = Field(
        None, alias="list", description="How the header lists several signatures."
    )
    prefix: str = Field("", description="What stands before it, e.g. sha256=.")
    timestamp_header: HeaderToken = Field(
        "", description="The header that holds the time of signing."
    )
    timestamp_path: str = Field("", description="Or where it stands in the JSON body.")
    timestamp_unit: Literal["s", "ms", "iso8601"] = Field(
        "s", description="Unix time in seconds or milliseconds, or 2026-01-31T12:00:00Z."
    )
    template: Annotated[str, AfterValidator(_template)] = Field(
        "{body}",
        description="What is signed: {timestamp}, {body}, {url}, {method}, {header.NAME},"
        " {body.PATH}; {header.NAME?} and {body.PATH?} may be missing.",
    )
    tolerance_s: Annotated[DurationS | None, PRESENT] = Field(
        None,
        alias="tolerance",
        description="How old or early the timestamp may be; else the endpoint's tolerance.",
    )

    def spec(self) -> SignatureSpec:
        """Return the scheme as the signing rules take it."""
        listed = None if self.listed is None else Listed(**self.listed.model_dump())
        return SignatureSpec(**{**self.model_dump(exclude={"listed"}), "listed": listed})


class IdempotencyConfig(Part):
    """What makes an event the same as an earlier one; by default the provider's delivery id."""

    header: Annotated[HeaderToken | None, PRESENT] = Field(
        None, description="The header that holds the key."
    )
    body: Annotated[DotPath | None, PRESENT] = Field(
        None, description="Or where the key stands in the body, as a dot path."
    )
    window_ms: DurationMs = Field(
        86_400_000,
        alias="window",
        json_schema_extra={"default": "24h"},
        description="How long a key is remembered.",
    )
    on_duplicate: Annotated[Literal["reject", "accept"] | None, PRESENT] = Field(
        None,
        description="Answer 409 or 202, with the first event's id; by default a named provider"
        " gets 202, others 409.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> "IdempotencyConfig":
        if self.header is not None and self.body is not None:
            raise ValueError("the key stands in a header or in the body; remove one of them")
        return self


def _off(value: Any) -> Any:
    """Read `false` as off."""
    return None if value is False else value


class SenderConfig(Part, defer_build=True):  # built as the part of an endpoint that it is
    """The part of an endpoint that says who sends and how to read them."""

    provider: str = Field(
        "generic",
        description="Who sends, which names how it signs: github, stripe, slack.",
        json_schema_extra=_PROVIDERS,
    )
    secret: Annotated[
        tuple[Secret, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
    ] = Field((), description="The signing secret, or a list while rotating: each is accepted.")
    public_key: Annotated[
        tuple[str, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
    ] = Field((), description="The sender's public key, or a list: as the provider shows it.")
    tolerance_s: DurationS = Field(
        300.0,
        alias="tolerance",
        json_schema_extra={"default": "5m"},
        description="How old or early a signed timestamp may be.",
    )
    url: Annotated[PublicUrl | None, PRESENT] = Field(
        None,
        description="The public URL, where the signature covers it; else built from"
        " server.public_url.",
    )
    verify_token: Annotated[Secret | None, PRESENT] = Field(
        None, description="What Meta sends to prove itself when it subscribes."
    )
    webhook_id: str = Field("", description="PayPal's id of this webhook.")
    signature: Annotated[SignatureConfig | None, PRESENT] = Field(
        None, description="A signature scheme of your own, in place of a provider."
    )
    topic: Annotated[
        tuple[str, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
    ] = Field((), description="The ARN of the SNS topic that may send, or a list of them.")
    jwt: Annotated[JwtConfig | None, PRESENT] = Field(
        None, description="How a JSON Web Token proves the sender; a provider's is completed by it."
    )
    auth: Annotated[Literal["none"] | None, PRESENT] = Field(
        None, description="none lets anyone in; it must be written out."
    )
    event_type_header: Annotated[HeaderToken | None, PRESENT] = Field(
        None, description="The header with the event type; it comes before all other places."
    )
    delivery_id_header: Annotated[HeaderToken | None, PRESENT] = Field(
        None, description="The header with what is the same over retries of one delivery."
    )
    body: Literal["json", "form", "any"] = Field(
        "json", description="Which bodies are taken: JSON, also forms, or anything."
    )
    idempotency: Annotated[
        IdempotencyConfig | None,
        BeforeValidator(_off, json_schema_input_type=IdempotencyConfig | Literal[False]),
        EMPTY_MAPPING,
    ] = Field(
        default_factory=IdempotencyConfig,
        description="How duplicates are known: header or body, window, on_duplicate; or false.",
    )

    handshake: Annotated[
        tuple[Named, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Named | list[Named]),
    ] = Field((), description="What is echoed before a sender sends, beside its provider's own.")
    answer: Annotated[AnswerConfig | None, PRESENT] = Field(
        None, description="A fixed answer in place of the 202, for senders that want their word."
    )
    methods: tuple[Literal["POST", "PUT"], ...] = Field(
        ("POST",), min_length=1, description="The methods that events come by."
    )
    rate_limit: Annotated[RateLimit | None, PRESENT] = Field(
        None, description="How many requests the endpoint takes, e.g. 100/s; more are 429."
    )
    rate_limit_per_ip: Annotated[RateLimit | None, PRESENT] = Field(
        None, description="How many requests it takes from one address, e.g. 10/s."
    )
    allow_ips: Annotated[tuple[Network, ...], EMPTY_LIST] = Field(
        (), description="Addresses or networks that may send; none means all."
    )

    @field_validator("secret", "public_key", "topic")
    @classmethod
    def _some_at_all(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("must hold at least one")
        return value

    @property
    def on_duplicate(self) -> Literal["reject", "accept"]:
        """What a duplicate is answered.

        Providers send again until they see a 2xx: to those that are known, an event that is
        kept already is one.
        """
        if self.idempotency is not None and self.idempotency.on_duplicate is not None:
            return self.idempotency.on_duplicate
        return "reject" if self.provider == "generic" else "accept"

    def sender_auth(self, built_url: str, api_keys: tuple[ApiKey, ...]) -> Auth:
        """Return how this endpoint's senders prove themselves, as the verifier takes it.

        `built_url` is the public URL made from `server.public_url`, or empty.
        """
        own = self.signature
        return Auth(
            provider=self.provider,
            secrets=tuple(secret.get_secret_value().encode() for secret in self.secret),
            public_keys=self.public_key,
            tolerance_s=self.tolerance_s,
            verify_token=_bytes(self.verify_token),
            webhook_id=self.webhook_id,
            url=self.url or built_url,
            topics=self.topic,
            jwt=None if self.jwt is None else self.jwt.spec(),
            signature=None if own is None else own.spec(),
            api_keys=api_keys,
            open_to_all=self.auth == "none",
            handshakes=tuple(shake.spec() for shake in self.handshake),
            event_type_header=self.event_type_header or "",
            delivery_id_header=self.delivery_id_header or "",
            forms=self.body != "json",
        )


def _bytes(secret: SecretStr | None) -> bytes:
    return b"" if secret is None else secret.get_secret_value().encode()


def needs_public_url(endpoint: dict[str, Any]) -> bool:
    """Whether an endpoint, as plain values, has a signature that covers a URL it does not name."""
    if endpoint.get("url") is not None or endpoint.get("auth") is not None:
        return False
    signature = endpoint.get("signature")
    if isinstance(signature, dict):
        return "{url}" in str(signature.get("template", ""))
    provider = endpoint.get("provider")
    if not isinstance(provider, str):
        return False
    return covers_url(provider)
