"""What an endpoint answers: handshakes, and a fixed word of its own in place of the 202."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dispatchd.config.fields import EMPTY_MAPPING, PRESENT, HeaderToken, Switch
from dispatchd.config.part import Part
from dispatchd.config.values import check_header_token
from dispatchd.verify import Greeting, HandshakeSpec, ShowOnce

ANSWER_MAX_BYTES: Final = 1024
_NAMES: Final = ("head", "cloudevents")


def _condition(path: str) -> str:
    place, dot, name = path.partition(".")
    if place not in ("body", "query", "headers") or not dot or not all(name.split(".")):
        raise ValueError("must be body.PATH, query.NAME or headers.NAME")
    if place == "headers":
        check_header_token(name)
    return path


def _named(value: Any) -> Any:
    """Read the name of a handshake as one."""
    if isinstance(value, str):
        if value not in _NAMES:
            raise ValueError("is neither head nor cloudevents, nor a mapping that says what")
        return {"named": value}
    return value


class HandshakeConfig(Part):
    """What a sender must have echoed before it sends; never stored."""

    named: Annotated[Literal["head", "cloudevents"] | None, PRESENT] = Field(
        None, description="A whole handshake by its name: head answers HEAD, cloudevents OPTIONS."
    )
    query: Annotated[str | None, PRESENT] = Field(
        None, min_length=1, description="The field of a GET's query that is echoed."
    )
    body: Annotated[str | None, PRESENT] = Field(
        None, min_length=1, description="Or the dot path in a POST's body."
    )
    header: Annotated[HeaderToken | None, PRESENT] = Field(
        None, description="Or the request header."
    )
    show_once: Annotated[str | None, PRESENT] = Field(
        None, min_length=1, description="Or where an unsigned POST brings a token for the log."
    )
    when: Annotated[dict[Annotated[str, AfterValidator(_condition)], str], EMPTY_MAPPING] = Field(
        default_factory=dict, description="What must hold: body.PATH, query.NAME or headers.NAME."
    )
    unsigned: Switch = Field(default=False, description="Answer a POST without any proof, too.")
    sign: Annotated[Literal["hex", "base64"] | None, PRESENT] = Field(
        None, description="Answer with its HMAC-SHA256 by the secret, spelled so."
    )
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.=:-]{0,32}$")] = Field(
        "", description="What stands before it, e.g. sha256=."
    )
    answer_field: Annotated[str | None, PRESENT] = Field(
        None, min_length=1, description="Answer with JSON that has it in this field."
    )
    answer_header: Annotated[HeaderToken | None, PRESENT] = Field(
        None, description="Or with it in this header; else as plain text."
    )

    @model_validator(mode="after")
    def _one_source(self) -> "HandshakeConfig":
        places = (self.named, self.query, self.body, self.header, self.show_once)
        if sum(place is not None for place in places) != 1:
            raise ValueError("needs one of query, body, header and show_once")
        alone = self.named is not None or self.show_once is not None
        if alone and len(self.model_fields_set) > 1:
            raise ValueError("has nothing to say beside that one key")
        if self.answer_field is not None and self.answer_header is not None:
            raise ValueError("answers in a field or in a header; remove one of them")
        return self

    def spec(self) -> HandshakeSpec:
        """Return the handshake as the verifier takes it."""
        if self.named is not None:
            return self.named
        if self.show_once is not None:
            return ShowOnce(self.show_once)
        source: Literal["query", "body", "header"] = "body"
        if self.query is not None:
            source = "query"
        elif self.header is not None:
            source = "header"
        when = []
        for path, value in self.when.items():
            place, _, name = path.partition(".")
            place = "header" if place == "headers" else place
            when.append((place, name, value))
        return Greeting(
            source,
            self.query or self.body or self.header or "",
            tuple(when),  # type: ignore[arg-type]  # checked above
            self.sign or "",
            self.prefix,
            self.answer_field or "",
            self.answer_header or "",
            unproven=self.unsigned,
        )


Named = Annotated[
    HandshakeConfig,
    BeforeValidator(_named, json_schema_input_type=str | HandshakeConfig),
]


class AnswerConfig(Part):
    """A fixed answer for a sender that wants its own word."""

    status: Annotated[int, Field(ge=200, le=299)] = Field(200, description="A 2xx.")
    body: str = Field("", description="At most 1 KiB.")
    content_type: Annotated[str, Field(pattern=r"^[!-~][ -~]{0,199}$")] = Field(
        "text/plain; charset=utf-8", description="Its Content-Type."
    )

    @model_validator(mode="after")
    def _is_small(self) -> "AnswerConfig":
        if len(self.body.encode()) > ANSWER_MAX_BYTES:
            raise ValueError(f"has a body of more than {ANSWER_MAX_BYTES} bytes")
        if self.status == 204 and self.body:  # noqa: PLR2004 - No Content
            raise ValueError("a 204 has no body")
        return self
