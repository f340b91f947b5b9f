"""What a destination's requests carry beside the body: headers, the sender's too, signatures."""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from dispatchd.compose import NEVER
from dispatchd.config.fields import (
    EMPTY_LIST,
    EMPTY_MAPPING,
    PRESENT,
    HeaderName,
    HeaderValue,
    Secret,
    listed,
    one_or_more,
)
from dispatchd.config.part import Part
from dispatchd.verify import (
    OutgoingSpec,
    SignatureSpec,
    Signer,
    outgoing_problems,
    own_signer,
    standard_signer,
)

_GLOB: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z?-]{1,256}", re.ASCII)  # RFC 9110: a token
HUB: Final = {"header": "X-Hub-Signature-256", "prefix": "sha256="}


def is_glob(name: str) -> bool:
    """Whether one of `forward_headers` is a glob, and no header named in full."""
    return "*" in name or "?" in name


def _forwardable(name: str) -> str:
    if not _GLOB.fullmatch(name):
        raise ValueError("is neither a header's name nor a glob of * and ?")
    if name.lower() in NEVER:
        raise ValueError("belongs to each request itself and is never forwarded; remove it")
    return name


def _signing(value: Any) -> Any:
    """Read `standard` as the default, and `hub` as the scheme that it is."""
    if isinstance(value, str):
        if value not in ("standard", "hub"):
            raise ValueError("is neither standard nor hub, nor a scheme of your own")
        return None if value == "standard" else HUB
    return value


class SigningConfig(Part):
    """A signature scheme of your own, for what is sent."""

    header: HeaderName = Field(description="The header that holds the signature.")
    algorithm: Literal["sha256", "sha1", "sha512"] = Field(
        "sha256", description="The hash of the HMAC."
    )
    encoding: Literal["hex", "base64"] = Field("hex", description="How the signature is spelled.")
    prefix: Annotated[str, Field(pattern=r"^[\x21-\x7e]*$")] = Field(
        "", description="What stands before it, e.g. sha256=."
    )
    template: str = Field(
        "{body}",
        description="What is signed: {timestamp}, {body}, {url}, {method}, {header.NAME}.",
    )
    timestamp_header: Annotated[HeaderName | None, PRESENT] = Field(
        None, description="The header that holds the attempt's Unix time in seconds."
    )
    id_header: Annotated[HeaderName | None, PRESENT] = Field(
        None, description="A header for the event's id, the same over retries."
    )

    def spec(self) -> OutgoingSpec:
        """Return the scheme as the signing rules take it."""
        signature = SignatureSpec(
            header=self.header,
            algorithm=self.algorithm,
            encoding=self.encoding,
            prefix=self.prefix,
            timestamp_header=self.timestamp_header or "",
            template=self.template,
        )
        return OutgoingSpec(signature, self.id_header or "")


class OutgoingConfig(Part, defer_build=True):  # built as the part of a webhook that it is
    """The part of a destination that says which headers its requests carry."""

    url: SecretStr = Field(description="The http(s) URL that is posted to.")
    headers: Annotated[dict[HeaderName, HeaderValue], EMPTY_MAPPING] = Field(
        default_factory=dict, description="Headers of your own, e.g. Authorization."
    )
    forward_headers: Annotated[
        tuple[Annotated[str, AfterValidator(_forwardable)], ...],
        EMPTY_LIST,
        BeforeValidator(listed, json_schema_input_type=str | list[str]),
    ] = Field(
        (),
        description="Names or globs (* and ?) of the sender's headers that go along; one that"
        " proves the sender goes only when named in full.",
    )
    signing_secret: Annotated[
        tuple[Secret, ...],
        BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
    ] = Field(
        (), description="What deliveries are signed with: whsec_, whsk_, or a list: all sign."
    )
    signing: Annotated[
        SigningConfig | None,
        BeforeValidator(
            _signing, json_schema_input_type=Literal["standard", "hub"] | SigningConfig
        ),
        PRESENT,
    ] = Field(
        None,
        description="How they are signed: standard (Standard Webhooks), hub"
        " (X-Hub-Signature-256), or a scheme of your own.",
    )

    @property
    def forwarded_in_full(self) -> frozenset[str]:
        """The headers of the sender that are named in full, in lower case."""
        return frozenset(name.lower() for name in self.forward_headers if not is_glob(name))

    @property
    def forwarded_by_glob(self) -> tuple[str, ...]:
        """The globs among `forward_headers`, in lower case."""
        return tuple(name.lower() for name in self.forward_headers if is_glob(name))

    def signer(self) -> Signer | None:
        """Return what signs its requests; None when nothing does."""
        if not self.signing_secret:
            return None
        secrets = [secret.get_secret_value().encode() for secret in self.signing_secret]
        url = self.url.get_secret_value()
        if self.signing is None:
            return standard_signer(secrets, url)
        return own_signer(secrets[0], self.signing.spec(), url)

    @model_validator(mode="after")
    def _can_sign(self) -> Self:
        if not self.signing_secret:
            if "signing_secret" in self.model_fields_set:
                raise ValueError("signing_secret holds no secret")
            if "signing" in self.model_fields_set:
                raise ValueError("signing needs a signing_secret")
            return self
        if self.signing is not None:
            if len(self.signing_secret) > 1:
                raise ValueError(
                    "signing has room for one signature; only Standard Webhooks takes a list"
                    " of signing_secret"
                )
            problems = outgoing_problems(self.signing.spec(), self.url.get_secret_value())
            if problems:
                raise ValueError("; ".join(problems))
        try:
            names = self.signer().names  # type: ignore[union-attr]  # it has a secret
        except ValueError as error:
            raise ValueError(f"{error}; `dispatchd key signing` makes one") from None
        return self._writes_once(names)

    def _writes_once(self, names: tuple[str, ...]) -> Self:
        for name in names:
            for key in ("headers", "forward_headers"):
                if name.lower() in {written.lower() for written in getattr(self, key)}:
                    raise ValueError(f"{key} and the signing both write {name}; remove one")
        return self
