"""Config to routes: each endpoint compiled to what its requests are checked against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dispatchd.config import Config, DestinationConfig, LinkConfig
from dispatchd.match import Matcher, compile_event_types, split_path
from dispatchd.receive.client_ip import ClientIp
from dispatchd.verify import ApiKey


@dataclass(frozen=True, slots=True)
class LinkRoute:
    """A link: which destination, and whether it wants an event of a given type."""

    destination: str
    wants: Matcher


@dataclass(frozen=True, slots=True)
class Route:
    """One active endpoint."""

    slug: str
    endpoint_id: str
    secrets: Sequence[bytes]
    open_to_all: bool
    event_type_path: tuple[str, ...]
    links: Sequence[LinkRoute]


@dataclass(frozen=True, slots=True)
class Routes:
    """Everything ingest needs of a config; swapped as a whole when the config changes."""

    by_slug: Mapping[str, Route]
    api_keys: Sequence[ApiKey]
    client_ip: ClientIp
    max_body_bytes: int


def compile_routes(config: Config) -> Routes:
    """Compile the config's active endpoints; an inactive one is as unknown as any other."""
    return Routes(
        by_slug={
            slug: Route(
                slug=slug,
                endpoint_id=endpoint.id,
                secrets=tuple(s.get_secret_value().encode() for s in endpoint.secret),
                open_to_all=endpoint.auth == "none",
                event_type_path=split_path(endpoint.event_type_path),
                links=tuple(
                    LinkRoute(link.to, _wants(link, config.destinations[link.to]))
                    for link in endpoint.destinations
                ),
            )
            for slug, endpoint in config.endpoints.items()
            if endpoint.active
        },
        api_keys=tuple(ApiKey(key.name, key.sha256) for key in config.api_keys),
        client_ip=ClientIp(
            config.server.trusted_proxies, unix=config.server.listen.path is not None
        ),
        max_body_bytes=config.server.max_body_bytes,
    )


def _wants(link: LinkConfig, destination: DestinationConfig) -> Matcher:
    """Both lists must let an event through: the link's and the destination's."""
    by_link = compile_event_types(link.event_types)
    by_destination = compile_event_types(destination.event_types)
    return lambda kind: by_link(kind) and by_destination(kind)
