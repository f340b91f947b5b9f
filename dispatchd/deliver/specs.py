"""Config to lanes: each destination with the transforms of the links that lead to it."""

from collections.abc import Iterable
from typing import Final

from dispatchd.config import Config
from dispatchd.deliver.lane import LaneSpec, LinkTransform
from dispatchd.transform import Target, header_case

REDACTED_MIN_CHARS: Final = 6  # shorter values would black out ordinary words
_PUBLIC_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})


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
                target=Target(
                    url, headers, destination.timeout_s, prefix, destination.via(config.proxy)
                ),
                policy=destination.retry.policy(),
                max_in_flight=destination.max_in_flight,
                transforms={
                    slug: LinkTransform(link.transform, link.on_transform_error)
                    for slug, endpoint in config.endpoints.items()
                    for link in endpoint.destinations
                    if link.to == name and link.transform is not None
                },
                redacted=tuple(
                    _redacted(v for k, v in headers.items() if k.lower() not in _PUBLIC_HEADERS)
                ),
            )
        )
    return specs


def _redacted(values: Iterable[str]) -> Iterable[bytes]:
    """Yield what to black out: each header value, and its parts (`Bearer` and the token)."""
    for value in values:
        for part in sorted({value, *value.split()}, key=len, reverse=True):
            if len(part) >= REDACTED_MIN_CHARS and part.lower() not in ("bearer", "digest"):
                yield part.encode()
