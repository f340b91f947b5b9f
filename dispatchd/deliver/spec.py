"""A destination, compiled: what its lane needs to know of the config."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dispatchd.compose import Courier, WebhookCourier, header_case
from dispatchd.config import Config
from dispatchd.gates import BreakerPolicy
from dispatchd.retry import RetryPolicy

REDACTED_MIN_CHARS: Final = 6  # shorter values would black out ordinary words
_PUBLIC_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True)
class LinkTransform:
    """A link's JSONata expression and what its failure means; `owner` is whose turns it uses."""

    expression: str
    on_error: Literal["send", "fail"]
    owner: str


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A destination, compiled: what its lane needs to know.

    `transforms` are by endpoint slug; `redacted` are byte strings (header values of ours) that
    must not survive in a kept response, should the destination echo them. `gap_s` is between two
    starts under a rate limit; `ordered`: in order of receipt, one at a time, and with
    `hold_on_failed` nothing goes past what failed for good.
    """

    destination: str
    courier: Courier
    policy: RetryPolicy
    max_in_flight: int
    transforms: Mapping[str, LinkTransform]
    redacted: tuple[bytes, ...]
    breaker: BreakerPolicy
    gap_s: float | None
    ordered: bool
    hold_on_failed: bool


def lane_specs(config: Config) -> list[LaneSpec]:
    """Return a lane for every destination in the config."""
    prefix = header_case(config.header_prefix)
    specs = []
    for name, destination in config.destinations.items():
        headers = {k: v.get_secret_value() for k, v in destination.headers.items()}
        url = destination.url.get_secret_value()
        specs.append(
            LaneSpec(
                destination=name,
                courier=WebhookCourier(url, headers, destination.timeout_s, prefix),
                policy=destination.retry.policy(),
                max_in_flight=1 if destination.ordered else destination.max_in_flight,
                transforms={
                    slug: LinkTransform(link.transform, link.on_transform_error, f"{slug} → {name}")
                    for slug, endpoint in config.endpoints.items()
                    for link in endpoint.destinations
                    if link.to == name and link.transform is not None
                },
                redacted=tuple(
                    _redacted(v for k, v in headers.items() if k.lower() not in _PUBLIC_HEADERS)
                ),
                breaker=destination.breaker_policy(),
                gap_s=None if destination.rate_limit is None else 1 / destination.rate_limit.per_s,
                ordered=destination.ordered,
                hold_on_failed=destination.on_failed == "hold",
            )
        )
    return specs


def _redacted(values: Iterable[str]) -> Iterable[bytes]:
    """Yield what to black out: each header value, and its parts (`Bearer` and the token)."""
    for value in values:
        for part in sorted({value, *value.split()}, key=len, reverse=True):
            if len(part) >= REDACTED_MIN_CHARS and part.lower() not in ("bearer", "digest"):
                yield part.encode()
