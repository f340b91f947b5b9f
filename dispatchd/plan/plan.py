"""A Plan: everything the daemon needs of a config, as plain data.

It can be pickled, so that the config may be read in another process, and two plans can be
compared part by part, so that a part that did not change need not be built again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from dispatchd.alert.spec import AlertSpec
from dispatchd.deliver.spec import LaneSpec
from dispatchd.model import Listen
from dispatchd.receive.spec import RouteSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """A config compiled. `warnings` are sentences for whoever wrote it."""

    listen: Listen
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    max_body_bytes: int
    max_connections: int
    max_connections_per_client: int
    storage_url: str
    routes: Mapping[str, RouteSpec]  # of the active endpoints, by slug
    lanes: Mapping[str, LaneSpec]  # by destination
    warnings: tuple[str, ...]
    alerts: tuple[AlertSpec, ...] = ()
