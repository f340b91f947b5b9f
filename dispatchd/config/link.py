"""Links: from an endpoint to a destination, what goes over them, and what becomes of it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from dispatchd.config.fields import EMPTY_LIST, PRESENT, EventTypes, Name, Switch
from dispatchd.config.part import Part
from dispatchd.config.problems import quoted
from dispatchd.config.values import Unquotable, check_header_token
from dispatchd.match import Rule, compile_filter, expression_problem


def check_filter(value: Any) -> Any:
    """Refuse a filter that cannot work; the compiled one is made by whoever asks it."""
    if isinstance(value, str):
        if (problem := expression_problem(value)) is not None:
            raise Unquotable("is not a valid JSONata expression", problem)
    else:
        compile_filter(value)
        for key in value or ():
            if key.startswith("headers."):
                try:
                    check_header_token(key.removeprefix("headers."))
                except ValueError as error:
                    raise ValueError(f"{quoted(key)} {error}") from None
    return value


def check_transform(value: str | None) -> str | None:
    """Refuse an expression that does not compile."""
    if value is not None and (problem := expression_problem(value)) is not None:
        raise Unquotable("is not a valid JSONata expression", problem)
    return value


class RuleConfig(Part):
    """A rule of a link: the first that matches an event decides what becomes of it."""

    name: Annotated[Name | None, PRESENT] = Field(
        None, description="What it is called where it is told of; by default its number."
    )
    event_types: EventTypes = Field(
        (), description="Globs (* and ?) of the event types it matches; none means all."
    )
    filter: Annotated[str | dict[str, Any] | None, PRESENT] = Field(
        None, description="Which events it matches: a JSONata expression, or paths with values."
    )
    transform: Annotated[str | None, PRESENT] = Field(
        None, description="A JSONata expression over the body; its result is sent instead."
    )
    template: Annotated[str | None, PRESENT] = Field(
        None, description="The template that says it, for destinations that people read."
    )
    skip: Switch = Field(default=False, description="true: such an event does not go at all.")

    _filter_compiles = field_validator("filter")(check_filter)
    _transform_compiles = field_validator("transform")(check_transform)

    @field_validator("name")
    @classmethod
    def _is_no_number(cls, value: str | None) -> str | None:
        if value is not None and value.isdigit():
            raise ValueError("is a number, which is what rules without a name are known by")
        return value

    @model_validator(mode="after")
    def _skips_or_sends(self) -> Self:
        if self.skip and (self.transform is not None or self.template is not None):
            raise ValueError("skips what it matches: it needs no transform and no template")
        return self


class LinkConfig(Part):
    """Endpoint to destination."""

    to: str = Field(description="The destination's name.", min_length=1)
    event_types: EventTypes = Field(
        (), description="Globs (* and ?) of the event types this link carries; none means all."
    )
    filter: Annotated[str | dict[str, Any] | None, PRESENT] = Field(
        None, description="Which events it carries: a JSONata expression, or paths with values."
    )
    transform: Annotated[str | None, PRESENT] = Field(
        None, description="A JSONata expression over the body; its result is sent instead."
    )
    on_transform_error: Literal["send", "fail"] = Field(
        "send", description="When the transform fails: send the original, or fail the delivery."
    )
    template: Annotated[str | None, PRESENT] = Field(
        None, description="The template that says it, for destinations that people read."
    )
    rules: Annotated[tuple[RuleConfig, ...], EMPTY_LIST] = Field(
        (),
        description="The first that matches an event decides; the link's own transform and template"
        " are for what none matches.",
    )

    _filter_compiles = field_validator("filter")(check_filter)
    _transform_compiles = field_validator("transform")(check_transform)

    def transforms(self) -> bool:
        """Whether it, or a rule of it, transforms anything."""
        return any(part.transform is not None for part in self._parts())

    def said(self) -> set[str]:
        """Return the templates that it and its rules name."""
        return {part.template for part in self._parts() if part.template is not None}

    def _parts(self) -> tuple["LinkConfig | RuleConfig", ...]:
        return (self, *self.rules)

    def named_rules(self) -> dict[str, RuleConfig]:
        """Return the rules by their names, in order; one without has its number."""
        return {rule.name or str(n): rule for n, rule in enumerate(self.rules, 1)}

    def compiled_rules(self) -> tuple[Rule, ...]:
        """Return the rules as they are asked."""
        return tuple(
            Rule(name, tuple(rule.event_types), compile_filter(rule.filter), rule.skip)
            for name, rule in self.named_rules().items()
        )
