"""An endpoint as plain data: what its route is compiled from."""

from ipaddress import IPv4Network, IPv6Network
from typing import Final

from dispatchd.frozen import frozen
from dispatchd.limits import Rate
from dispatchd.match import Filter, Rule
from dispatchd.reading.content import Bodies
from dispatchd.receive.idempotency import IdempotencyRule
from dispatchd.verify import Auth

KEEP_REFUSED: Final = 20  # requests of each reason, unless an endpoint says otherwise


@frozen
class RefusedRule:
    """How many refused requests of each reason are kept, and whether with their bodies."""

    keep: int = KEEP_REFUSED
    body: bool = False


@frozen
class LinkSpec:
    """A link, as plain data: both lists of event types must let an event through.

    Of its `rules` the first that matches decides. `forwarded_in_full` are the sender's headers
    (in lower case) that its destination names.
    """

    destination: str
    event_types: tuple[str, ...]
    destination_event_types: tuple[str, ...]
    filter: Filter | None
    forwarded_in_full: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()


@frozen
class OwnAnswer:
    """What an endpoint answers in place of the 202 and its document; `id_header` has the id."""

    status: int
    body: bytes
    content_type: str
    id_header: str


@frozen
class RouteSpec:
    """An endpoint, as plain data: what its route is compiled from."""

    slug: str
    endpoint_id: str
    auth: Auth
    body: Bodies
    event_type_path: tuple[str, ...]
    idempotency: IdempotencyRule | None
    filter: Filter | None
    allow_ips: tuple[IPv4Network | IPv6Network, ...]
    per_ip: Rate | None
    whole: Rate | None
    links: tuple[LinkSpec, ...]
    methods: frozenset[str] = frozenset({"POST"})
    answer: OwnAnswer | None = None
    refused: RefusedRule = RefusedRule()
