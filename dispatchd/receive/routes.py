"""Config to routes: each endpoint compiled to what its requests are checked against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dispatchd.config import (
    Config,
    DestinationConfig,
    EndpointConfig,
    IdempotencyConfig,
    LinkConfig,
)
from dispatchd.limits import Limiter
from dispatchd.match import (
    Filter,
    JsonataFilter,
    Matcher,
    PlainFilter,
    compile_event_types,
    compile_filter,
    split_path,
)
from dispatchd.reading.reader import Asked
from dispatchd.receive.admission import Admission
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.idempotency import IdempotencyRule
from dispatchd.verify import ApiKey, Certificates, Verifier, compile_verifier


@dataclass(frozen=True, slots=True)
class LinkRoute:
    """A link: which destination, and whether it wants an event of a given type."""

    destination: str
    wants: Matcher
    filter: Filter | None


@dataclass(frozen=True, slots=True)
class Route:
    """One active endpoint."""

    slug: str
    endpoint_id: str
    verifier: Verifier
    asked: Asked
    event_type_path: tuple[str, ...]
    idempotency: IdempotencyRule | None
    filter: Filter | None
    admission: Admission | None
    links: Sequence[LinkRoute]


@dataclass(frozen=True, slots=True)
class Routes:
    """Everything ingest needs of a config; swapped as a whole when the config changes."""

    by_slug: Mapping[str, Route]
    client_ip: ClientIp
    max_body_bytes: int


def compile_routes(config: Config, certificates: Certificates | None = None) -> Routes:
    """Compile the config's active endpoints; an inactive one is as unknown as any other.

    `certificates` is where a provider's certificates come from (paypal).
    """
    api_keys = tuple(ApiKey(key.name, key.sha256) for key in config.api_keys)
    return Routes(
        by_slug={
            slug: _route(slug, config, api_keys, certificates)
            for slug, endpoint in config.endpoints.items()
            if endpoint.active
        },
        client_ip=ClientIp(
            config.server.trusted_proxies, unix=config.server.listen.path is not None
        ),
        max_body_bytes=config.server.max_body_bytes,
    )


def _route(
    slug: str, config: Config, api_keys: tuple[ApiKey, ...], certificates: Certificates | None
) -> Route:
    endpoint = config.endpoints[slug]
    auth = endpoint.sender_auth(config.server.hook_url(slug), api_keys)
    verifier = compile_verifier(auth, certificates)
    event_type_path = split_path(endpoint.event_type_path)
    rule = _idempotency(endpoint.idempotency)
    own_filter = compile_filter(endpoint.filter)
    links = tuple(
        LinkRoute(link.to, _wants(link, config.destinations[link.to]), compile_filter(link.filter))
        for link in endpoint.destinations
    )
    filters = [f for f in (own_filter, *(link.filter for link in links)) if f is not None]
    exact = () if rule is None or rule.header is not None else rule.path
    return Route(
        slug=slug,
        endpoint_id=endpoint.id,
        verifier=verifier,
        asked=Asked(
            bodies="form" if verifier.forms and endpoint.body == "json" else endpoint.body,
            paths=_paths(verifier, event_type_path, filters),
            exact=exact,
            json=any(isinstance(f, JsonataFilter) for f in filters),
        ),
        event_type_path=event_type_path,
        idempotency=rule,
        filter=own_filter,
        admission=_admission(endpoint),
        links=links,
    )


def _paths(
    verifier: Verifier, event_type_path: tuple[str, ...], filters: Iterable[Filter]
) -> tuple[tuple[str, ...], ...]:
    """Return every path by which this endpoint's documents are asked."""
    paths = [split_path(path) for path in verifier.paths]
    if event_type_path:
        paths.append(event_type_path)
    for chosen in filters:
        if isinstance(chosen, PlainFilter):
            found = [condition.body_path for condition in chosen.conditions]
            paths += [path for path in found if path is not None]
    return tuple(dict.fromkeys(paths))


def _admission(endpoint: EndpointConfig) -> Admission | None:
    per_ip, whole = endpoint.rate_limit_per_ip, endpoint.rate_limit
    if not endpoint.allow_ips and per_ip is None and whole is None:
        return None
    return Admission(
        endpoint.allow_ips,
        None if per_ip is None else Limiter(per_ip),
        None if whole is None else Limiter(whole, keys_max=1),
    )


def _idempotency(given: IdempotencyConfig | None) -> IdempotencyRule | None:
    if given is None:
        return None
    return IdempotencyRule(
        given.header, split_path(given.body), given.window_ms, given.on_duplicate
    )


def _wants(link: LinkConfig, destination: DestinationConfig) -> Matcher:
    """Both lists must let an event through: the link's and the destination's."""
    by_link = compile_event_types(link.event_types)
    by_destination = compile_event_types(destination.event_types)
    return lambda kind: by_link(kind) and by_destination(kind)
