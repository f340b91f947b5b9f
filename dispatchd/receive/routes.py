"""Routes: each endpoint compiled to what its requests are checked against."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import field

from dispatchd.frozen import frozen
from dispatchd.limits import KEYS_MAX, Limiter, Rate
from dispatchd.match import (
    Filter,
    JsonataFilter,
    Matcher,
    PlainFilter,
    Rule,
    compile_event_types,
    rule_filters,
    split_path,
)
from dispatchd.reading.reader import Asked
from dispatchd.receive.admission import Admission
from dispatchd.receive.answers import HttpAnswer, accepted
from dispatchd.receive.client_ip import ClientIp
from dispatchd.receive.decision import Decision, LinkVerdict
from dispatchd.receive.idempotency import IdempotencyRule
from dispatchd.receive.spec import LinkSpec, OwnAnswer, RefusedRule, RouteSpec
from dispatchd.verify import (
    PinnedSource,
    Verifier,
    compile_verifier,
    headers_named,
    is_secret_header,
)


@frozen
class LinkRoute:
    """A link: which destination, whether it wants an event of a given type, and its rules."""

    destination: str
    wants: Matcher
    filter: Filter | None
    rules: Sequence[Rule] = ()


@frozen
class Route:
    """One active endpoint.

    `proofs` are, by destination, the headers (in lower case) that prove the sender and that this
    destination asks for by name; only destinations that do are in it. `always` is what is decided
    of every event, where nothing asks about one.
    """

    slug: str
    endpoint_id: str
    verifier: Verifier
    asked: Asked
    event_type_path: tuple[str, ...]
    idempotency: IdempotencyRule | None
    filter: Filter | None
    admission: Admission | None
    links: Sequence[LinkRoute]
    proofs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    methods: frozenset[str] = frozenset({"POST"})
    answer: OwnAnswer | None = None
    refused: RefusedRule = RefusedRule()
    always: Decision | None = None

    def accepted(self, event_id: str) -> HttpAnswer:
        """Return the answer to an event that is on disk: 202, or the endpoint's own."""
        own = self.answer
        if own is None:
            return accepted(event_id)
        return HttpAnswer(own.status, own.body, own.content_type, {own.id_header: event_id})

    def proofs_to_keep(
        self, destinations: Sequence[str], headers: Mapping[str, str]
    ) -> tuple[tuple[str, str], ...]:
        """Return the headers that are kept to be sent on to `destinations`, and for nothing else.

        They prove the sender, and one of the destinations names them in full.
        """
        names = [self.proofs[to] for to in destinations if to in self.proofs]
        return headers_named(headers, frozenset().union(*names)) if names else ()


@frozen
class Routes:
    """Everything ingest needs of a config; swapped as a whole when the config changes."""

    by_slug: Mapping[str, Route]
    client_ip: ClientIp
    max_body_bytes: int


def compile_routes(
    specs: Iterable[RouteSpec],
    client_ip: ClientIp,
    max_body_bytes: int,
    source: PinnedSource | None = None,
) -> Routes:
    """Compile endpoints. `source` has the documents that some proofs need (paypal)."""
    return Routes(
        by_slug={spec.slug: compile_route(spec, source) for spec in specs},
        client_ip=client_ip,
        max_body_bytes=max_body_bytes,
    )


def recompile_routes(
    before: Routes,
    specs: Iterable[RouteSpec],
    changed: Container[str],
    *,
    client_ip: ClientIp,
    max_body_bytes: int,
    source: PinnedSource | None,
) -> Routes:
    """Compile the endpoints of a new config; those that are not `changed` are as they were."""

    def route(spec: RouteSpec) -> Route:
        known = before.by_slug.get(spec.slug)
        if known is None:
            return compile_route(spec, source)
        if spec.slug not in changed:
            return known
        return compile_route(spec, source, known.admission)

    return Routes({spec.slug: route(spec) for spec in specs}, client_ip, max_body_bytes)


def compile_route(
    spec: RouteSpec, source: PinnedSource | None = None, before: Admission | None = None
) -> Route:
    """Compile one endpoint; what it counts goes on where its door `before` had the same rates."""
    verifier = compile_verifier(spec.auth, source)
    rule = spec.idempotency
    links = tuple(
        LinkRoute(link.destination, _wants(link), link.filter, link.rules) for link in spec.links
    )
    filters = [f for f in (spec.filter, *(link.filter for link in links)) if f is not None]
    filters += [chosen for link in links for chosen in rule_filters(link.rules)]
    return Route(
        slug=spec.slug,
        endpoint_id=spec.endpoint_id,
        verifier=verifier,
        asked=Asked(
            bodies="form" if verifier.forms and spec.body == "json" else spec.body,
            paths=_paths(verifier, spec.event_type_path, filters),
            exact=() if rule is None or rule.header is not None else rule.path,
            json=any(isinstance(f, JsonataFilter) for f in filters),
        ),
        event_type_path=spec.event_type_path,
        idempotency=rule,
        filter=spec.filter,
        admission=_admission(spec, before),
        links=links,
        proofs=_proofs(spec.links, verifier),
        methods=spec.methods,
        answer=spec.answer,
        refused=spec.refused,
        always=_always(spec),
    )


def _always(spec: RouteSpec) -> Decision | None:
    """Return the decision of an endpoint that takes, and sends on, whatever is proven."""
    if spec.filter is not None or any(
        link.event_types or link.destination_event_types or link.filter or link.rules
        for link in spec.links
    ):
        return None
    going = tuple(link.destination for link in spec.links)
    return Decision(going, None, tuple(LinkVerdict(name, None) for name in going), ())


def _proofs(links: Iterable[LinkSpec], verifier: Verifier) -> dict[str, frozenset[str]]:
    """Return which proof headers each linked destination names in full."""
    found = {
        link.destination: frozenset(
            name
            for name in link.forwarded_in_full
            if name in verifier.secret_headers or is_secret_header(name)
        )
        for link in links
    }
    return {to: names for to, names in found.items() if names}


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


def _admission(spec: RouteSpec, before: Admission | None) -> Admission | None:
    if not spec.allow_ips and spec.per_ip is None and spec.whole is None:
        return None
    return Admission(
        spec.allow_ips,
        _limiter(spec.per_ip, None if before is None else before.per_ip, KEYS_MAX),
        _limiter(spec.whole, None if before is None else before.whole, keys_max=1),
    )


def _limiter(rate: Rate | None, before: Limiter | None, keys_max: int) -> Limiter | None:
    if before is not None and before.rate == rate:
        return before
    return None if rate is None else Limiter(rate, keys_max)


def _wants(link: LinkSpec) -> Matcher:
    """Both lists must let an event through: the link's and the destination's."""
    by_link = compile_event_types(link.event_types)
    by_destination = compile_event_types(link.destination_event_types)
    return lambda kind: by_link(kind) and by_destination(kind)
