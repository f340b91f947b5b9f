"""A Plan: everything the daemon needs of a config, as plain data.

It can be pickled, so that the config may be read in another process, and two plans can be
compared part by part, so that a part that did not change need not be built again.
"""

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network

from dispatchd.admin.spec import AdminSpec
from dispatchd.alert.spec import AlertSpec
from dispatchd.deliver.spec import LaneSpec
from dispatchd.frozen import frozen
from dispatchd.model import Listen
from dispatchd.receive.spec import RouteSpec
from dispatchd.telemetry.spec import TelemetrySpec
from dispatchd.upkeep.spec import StorageSpec

# What an entry of the config is and its name: ("endpoint", "my-slug"), ("", "server"); the keys
# that belong to no part have ("", "").
Entry = tuple[str, str]
Written = Mapping[Entry, Mapping[str, bytes]]


@frozen
class Plan:
    """A config compiled. `warnings` are sentences for whoever wrote it.

    `written` has a digest of each key of each entry that says something, and `source` is the
    absolute path of the file, empty where there is none.
    """

    listen: Listen
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    max_body_bytes: int
    max_connections: int
    max_connections_per_client: int
    storage_url: str
    storage: StorageSpec
    routes: Mapping[str, RouteSpec]  # of the active endpoints, by slug
    lanes: Mapping[str, LaneSpec]  # by destination
    warnings: tuple[str, ...]
    alerts: tuple[AlertSpec, ...] = ()
    admin: AdminSpec | None = None
    telemetry: TelemetrySpec | None = None
    written: Written = field(default_factory=dict)
    source: str = ""
