"""A destination, compiled: what its lane needs to know of the config."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from dispatchd.compose import Courier
from dispatchd.frozen import frozen
from dispatchd.gates import BreakerPolicy
from dispatchd.match import Rule
from dispatchd.redact import Redactor
from dispatchd.retry import RetryPolicy


@frozen
class LinkTransform:
    """A link's JSONata expression and what its failure means; `owner` is whose turns it uses.

    `bound` says that the expression asks for more than the body.
    """

    expression: str
    on_error: Literal["send", "fail"]
    owner: str
    bound: bool


@frozen
class LinkTemplate:
    """A template's variant for one type: `default` or the type's own.

    `source` is what the evaluator is given, `owner` whose turns it uses.
    """

    name: str
    variant: str
    source: str
    owner: str


@frozen
class Treatment:
    """What becomes of an event's body on its way: the transform first, the template over that."""

    transform: LinkTransform | None = None
    template: LinkTemplate | None = None


@frozen
class LaneLink:
    """How events of one endpoint are treated: as the rule says that chose, else as the link does.

    `rules` are asked again for what is replayed.
    """

    own: Treatment
    rules: tuple[Rule, ...] = ()
    by_rule: Mapping[str, Treatment] = field(default_factory=dict)

    def treatment(self, rule: str | None) -> Treatment:
        """Return what a rule chose; the link's own where it has left the config."""
        return self.own if rule is None else self.by_rule.get(rule, self.own)


@frozen
class LaneSpec:
    """A destination, compiled: what its lane needs to know.

    Without a `courier` nothing is sent: consumers claim from it. `links` are by endpoint slug, of
    those that change what is sent; the `redactor` knows what must not survive in a kept response,
    should the destination echo it. `signs` says that the courier does, which takes its time with a
    large body. `gap_s` is between two starts under a rate limit; `ordered`: in order of receipt,
    one at a time, and with `hold_on_failed` nothing
    goes past what failed for good. `blanks` are templates of the destination itself, as a
    `template_source`. `type` is the config's word for what the courier carries to, `url` what may
    be shown of its address.
    """

    destination: str
    courier: Courier | None
    policy: RetryPolicy
    max_in_flight: int
    links: Mapping[str, LaneLink]
    redactor: Redactor
    signs: bool = False
    breaker: BreakerPolicy = BreakerPolicy()
    gap_s: float | None = None
    ordered: bool = False
    hold_on_failed: bool = False
    type: str = "webhook"
    blanks: str | None = None
    url: str = ""
