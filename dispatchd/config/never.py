"""Links that no event can ever take, whatever comes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dispatchd.match import compile_filter, globs_meet, never_both

if TYPE_CHECKING:
    from dispatchd.config.link import LinkConfig
    from dispatchd.config.model import Config, EndpointConfig


def never_advice(config: "Config") -> Iterator[str]:
    """Yield a sentence for each such link, and each such rule, with the path of its key."""
    for slug, endpoint in config.endpoints.items():
        for link in endpoint.destinations:
            at = f"endpoints.{slug}.destinations: the link to {link.to}"
            if link.to not in config.destinations:  # a problem, and told as one
                continue
            wanted = config.destinations[link.to].event_types
            if (why := _why_never(endpoint, link, wanted)) is not None:
                yield f"{at} can never match: {why}"
                continue
            for name, rule in link.named_rules().items():
                carried = (link.event_types, wanted)
                if not all(globs_meet(rule.event_types, globs) for globs in carried):
                    yield (
                        f"{at}: its rule {name} can never match: the event types that it is for"
                        " do not go over the link"
                    )


def _why_never(
    endpoint: "EndpointConfig", link: "LinkConfig", wanted: tuple[str, ...]
) -> str | None:
    if not globs_meet(link.event_types, wanted):
        return f"none of its event types is one that {link.to} wants"
    key = never_both(compile_filter(endpoint.filter), compile_filter(link.filter))
    if key is not None:
        return f"the endpoint's filter and its own want other values of {key}"
    for rule in link.rules:
        if not rule.skip:
            return None
        if not rule.event_types and rule.filter is None:
            return "every event is skipped by its rules"
    return None
