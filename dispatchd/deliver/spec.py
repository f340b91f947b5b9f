"""A destination, compiled: what its lane needs to know of the config."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dispatchd.compose import Courier, WebhookCourier, header_case
from dispatchd.config import Config
from dispatchd.redact import Redactor, header_secrets, url_secrets
from dispatchd.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class LinkTransform:
    """A link's JSONata expression and what its failure means; `owner` is whose turns it uses."""

    expression: str
    on_error: Literal["send", "fail"]
    owner: str


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A destination, compiled: what its lane needs to know.

    `transforms` are by endpoint slug; the `redactor` knows what must not survive in a kept
    response, should the destination echo it.
    """

    destination: str
    courier: Courier
    policy: RetryPolicy
    max_in_flight: int
    transforms: Mapping[str, LinkTransform]
    redactor: Redactor


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
                courier=WebhookCourier(
                    url, headers, destination.timeout_s, prefix, destination.via(config.proxy)
                ),
                policy=destination.retry.policy(),
                max_in_flight=destination.max_in_flight,
                transforms={
                    slug: LinkTransform(link.transform, link.on_transform_error, f"{slug} → {name}")
                    for slug, endpoint in config.endpoints.items()
                    for link in endpoint.destinations
                    if link.to == name and link.transform is not None
                },
                redactor=Redactor([*header_secrets(headers.items()), *url_secrets(url)]),
            )
        )
    return specs
