"""An endpoint as its senders need to know it."""

from typing import Any, TypedDict


class LinkedFields(TypedDict):
    """Where an endpoint leads; `url` is what may be shown of it."""

    destination: str
    url: str
    event_types: list[list[str]]
    filter: str | dict[str, Any] | None
    transform: str | None
    template: str | None
    rules: list[str]


class EndpointFields(TypedDict):
    """An endpoint: where it is, what it expects of its senders, where it leads.

    `url` is null where no public URL is known: the path is /hooks/ and the name on `listen`.
    """

    endpoint: str
    url: str | None
    listen: str
    methods: list[str]
    active: bool
    provider: str
    proof: str
    body: str
    event_type_path: str | None
    duplicates: str
    filter: str | dict[str, Any] | None
    allow_ips: list[str]
    links: list[LinkedFields]


class ExpectedFields(EndpointFields):
    """An endpoint, and a signed request that it takes: an `example` for a shell."""

    example: str
