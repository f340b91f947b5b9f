"""Config to routes: each endpoint compiled to what its requests are checked against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dispatchd.config import (
    Config,
    DestinationConfig,
    EndpointConfig,
    IdempotencyConfig,
    LinkConfig,
)
from dispatchd.limits import Limiter
from dispatchd.match import Filter, Matcher, compile_event_types, compile_filter, split_path
from dispatchd.receive.admission import Admission
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.content import Bodies
from dispatchd.receive.idempotency import IdempotencyRule
from dispatchd.verify import (
    ApiKey,
    Certificates,
    Verifier,
    compile_verifier,
    headers_named,
    is_secret_header,
)


@dataclass(frozen=True, slots=True)
class LinkRoute:
    """A link: which destination, and whether it wants an event of a given type."""

    destination: str
    wants: Matcher
    filter: Filter | None


@dataclass(frozen=True, slots=True)
class Route:
    """One active endpoint.

    `proofs` are, by destination, the headers (in lower case) that prove the sender and that this
    destination asks for by name; only destinations that do are in it.
    """

    slug: str
    endpoint_id: str
    verifier: Verifier
    bodies: Bodies
    event_type_path: tuple[str, ...]
    idempotency: IdempotencyRule | None
    filter: Filter | None
    admission: Admission | None
    links: Sequence[LinkRoute]
    proofs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def proofs_to_keep(
        self, destinations: Sequence[str], headers: Mapping[str, str]
    ) -> tuple[tuple[str, str], ...]:
        """Return the headers that are kept to be sent on to `destinations`, and for nothing else.

        They prove the sender, and one of the destinations names them in full.
        """
        names = [self.proofs[to] for to in destinations if to in self.proofs]
        return headers_named(headers, frozenset().union(*names)) if names else ()


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
    return Route(
        slug=slug,
        endpoint_id=endpoint.id,
        verifier=verifier,
        bodies="form" if verifier.forms and endpoint.body == "json" else endpoint.body,
        event_type_path=split_path(endpoint.event_type_path),
        idempotency=_idempotency(endpoint.idempotency),
        filter=compile_filter(endpoint.filter),
        admission=_admission(endpoint),
        links=tuple(
            LinkRoute(
                link.to,
                _wants(link, config.destinations[link.to]),
                compile_filter(link.filter),
            )
            for link in endpoint.destinations
        ),
        proofs=_proofs(config, endpoint, verifier),
    )


def _proofs(
    config: Config, endpoint: EndpointConfig, verifier: Verifier
) -> dict[str, frozenset[str]]:
    """Return which proof headers each linked destination names in full."""
    found = {
        link.to: frozenset(
            name
            for name in config.destinations[link.to].forwarded_in_full
            if name in verifier.secret_headers or is_secret_header(name)
        )
        for link in endpoint.destinations
    }
    return {to: names for to, names in found.items() if names}


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
