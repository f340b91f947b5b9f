"""A destination, compiled: what its lane needs to know of the config."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dispatchd.compose import Courier, Forwarding, WebhookCourier, header_case, own_headers
from dispatchd.config import Config, DestinationConfig
from dispatchd.match import compile_event_types, wants_bindings
from dispatchd.retry import RetryPolicy
from dispatchd.verify import Signer, is_secret_header

REDACTED_MIN_CHARS: Final = 6  # shorter values would black out ordinary words
_PUBLIC_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True)
class LinkTransform:
    """A link's JSONata expression and what its failure means; `owner` is whose turns it uses.

    `bound` says that the expression asks for more than the body.
    """

    expression: str
    on_error: Literal["send", "fail"]
    owner: str
    bound: bool


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A destination, compiled: what its lane needs to know.

    `transforms` are by endpoint slug; `redacted` are byte strings (header values of ours) that
    must not survive in a kept response, should the destination echo them. `signs` says that
    the courier does, which takes its time with a large body.
    """

    destination: str
    courier: Courier
    policy: RetryPolicy
    max_in_flight: int
    transforms: Mapping[str, LinkTransform]
    redacted: tuple[bytes, ...]
    signs: bool


def lane_specs(config: Config) -> list[LaneSpec]:
    """Return a lane for every destination in the config."""
    prefix = header_case(config.header_prefix)
    specs = []
    for name, destination in config.destinations.items():
        headers = {k: v.get_secret_value() for k, v in destination.headers.items()}
        url = destination.url.get_secret_value()
        signer = destination.signer()
        specs.append(
            LaneSpec(
                destination=name,
                courier=WebhookCourier(
                    url,
                    headers,
                    destination.timeout_s,
                    prefix,
                    forwarding=_forwarding(destination, prefix, signer),
                    signer=signer,
                ),
                policy=destination.retry.policy(),
                max_in_flight=destination.max_in_flight,
                transforms={
                    slug: LinkTransform(
                        link.transform,
                        link.on_transform_error,
                        f"{slug} → {name}",
                        wants_bindings(link.transform),
                    )
                    for slug, endpoint in config.endpoints.items()
                    for link in endpoint.destinations
                    if link.to == name and link.transform is not None
                },
                redacted=tuple(
                    redacted(v for k, v in headers.items() if k.lower() not in _PUBLIC_HEADERS)
                ),
                signs=signer is not None,
            )
        )
    return specs


def _forwarding(
    destination: DestinationConfig, prefix: str, signer: Signer | None
) -> Forwarding | None:
    """Compile which of a sender's headers go along; None when none does."""
    if not destination.forward_headers:
        return None
    globs = destination.forwarded_by_glob
    matches = compile_event_types(globs)
    written = [*destination.headers, *own_headers(prefix), *(signer.names if signer else ())]
    return Forwarding(
        destination.forwarded_in_full,
        matches if globs else lambda _: False,  # no pattern matches everything, elsewhere
        is_secret_header,
        ours={name.lower() for name in written},
        prefix=f"x-{prefix.lower()}-",
    )


def redacted(values: Iterable[str]) -> Iterable[bytes]:
    """Yield what to black out: each header value, and its parts (`Bearer` and the token)."""
    for value in values:
        for part in sorted({value, *value.split()}, key=len, reverse=True):
            if len(part) >= REDACTED_MIN_CHARS and part.lower() not in ("bearer", "digest"):
                yield part.encode()
