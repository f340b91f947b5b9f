"""How a JSON Web Token proves an endpoint's sender, as the config says it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, StrictStr

from dispatchd.config.fields import EMPTY_MAPPING, PRESENT, HeaderToken, one_or_more
from dispatchd.config.part import Part
from dispatchd.verify import BodyHash, JwtSpec, is_for_url, jwks_url_problem


def _key_set_url(value: str) -> str:
    if (problem := jwks_url_problem(value)) is not None:
        raise ValueError(problem.removeprefix("jwks "))
    return value


def _claim(value: Any) -> Any:
    if not isinstance(value, (str, int)):
        raise ValueError("must be text, a whole number, or true or false")  # noqa: TRY004 - pydantic's
    return value


Claim = Annotated[StrictBool | StrictInt | StrictStr, BeforeValidator(_claim)]
Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(one_or_more, json_schema_input_type=str | list[str]),
]


class BodyHashConfig(Part):
    """The claim that binds a token to the body: its SHA-256."""

    claim: str = Field(min_length=1, description="The claim's name, e.g. request_body_sha256.")
    encoding: Literal["hex", "base64", "base64url"] = Field(
        "hex", description="How the hash is spelled."
    )


class JwtConfig(Part):
    """How a JSON Web Token proves the sender, in place of a provider's own signature."""

    header: HeaderToken = Field(
        "",
        json_schema_extra={"default": "Authorization"},
        description="The header that holds the token; in Authorization it stands behind Bearer.",
    )
    jwks: Annotated[str | None, PRESENT, AfterValidator(_key_set_url)] = Field(
        None, description="The URL of the sender's key set; else the endpoint's own keys count."
    )
    issuer: Texts = Field((), description="Who must have issued it: its iss, or a list of them.")
    audience: Texts = Field((), description="For whom it must be: its aud, or a list of them.")
    algorithms: Texts = Field(
        (), description="How it may be signed, e.g. RS256; by default as the keys can."
    )
    claims: Annotated[dict[str, Claim], EMPTY_MAPPING] = Field(
        default_factory=dict, description="Further claims, and what each must hold."
    )
    body_hash: Annotated[BodyHashConfig | None, PRESENT] = Field(
        None, description="The claim that holds the SHA-256 of the body."
    )

    def spec(self) -> JwtSpec:
        """Return the same as the verifier takes it."""
        rule = self.body_hash
        return JwtSpec(
            header=self.header,
            jwks=self.jwks or "",
            issuers=self.issuer,
            audiences=self.audience,
            algorithms=self.algorithms,
            claims=self.claims,
            body_hash=None if rule is None else BodyHash(rule.claim, rule.encoding),
        )


def needs_audience(endpoint: dict[str, Any]) -> bool:
    """Whether an endpoint, as plain values, has tokens for a URL that it does not name."""
    provider, jwt = endpoint.get("provider"), endpoint.get("jwt")
    if not isinstance(provider, str) or not is_for_url(provider):
        return False
    own = jwt.get("audience") if isinstance(jwt, dict) else None
    return all(value is None for value in (own, endpoint.get("url"), endpoint.get("auth")))
