"""Config to Plan: the one place that translates what is written to what is run."""

import json
from functools import partial

from dispatchd.admin.spec import AdminSpec, QueueKey
from dispatchd.alert.spec import AlertSpec
from dispatchd.compose import Courier, Fills, Forwarding, WebhookCourier, header_case, own_headers
from dispatchd.config import AlertConfig, Config, EndpointConfig, StorageConfig, WebhookConfig
from dispatchd.config.expectation import expectation
from dispatchd.config.shown import fingerprint, shown
from dispatchd.deliver.spec import LaneSpec
from dispatchd.deliver.words import MessageCourier, Words
from dispatchd.evaluate.frames import template_source
from dispatchd.match import compile_filter, matches_any, split_path
from dispatchd.plan.links import lane_links
from dispatchd.plan.plan import Plan
from dispatchd.plan.written import written
from dispatchd.receive.idempotency import IdempotencyRule
from dispatchd.receive.spec import LinkSpec, OwnAnswer, RefusedRule, RouteSpec
from dispatchd.redact import Redactor
from dispatchd.telemetry.spec import TelemetrySpec
from dispatchd.templates.markup import PROGRAM
from dispatchd.trace_context import TRACEPARENT, TRACESTATE
from dispatchd.upkeep.spec import StorageSpec
from dispatchd.verify import ApiKey, Signer, is_secret_header


def compile_plan(config: Config, source: str = "") -> Plan:
    """Compile a config, read from `source`; an inactive endpoint is as unknown as any other."""
    server = config.server
    return Plan(
        listen=server.listen,
        trusted_proxies=server.trusted_proxies,
        max_body_bytes=server.max_body_bytes,
        max_connections=server.max_connections,
        max_connections_per_client=server.max_connections_per_client,
        storage_url=config.storage.url,
        storage=_storage(config.storage),
        routes={
            slug: route_spec(config, slug)
            for slug, endpoint in config.endpoints.items()
            if endpoint.active
        },
        lanes={name: lane_spec(config, name) for name in config.destinations},
        warnings=tuple(config.warnings()),
        alerts=tuple(alert_spec(config, alert) for alert in config.alerts),
        admin=_admin(config),
        telemetry=_telemetry(config),
        written=written(config),
        source=source,
    )


def _storage(storage: StorageConfig) -> StorageSpec:
    retention = storage.retention
    return StorageSpec(
        events_ms=round(retention.events_s * 1000),
        failed_ms=round(retention.failed_or_default_s * 1000),
        max_bytes=retention.max_bytes,
        min_free_bytes=storage.min_free_bytes,
        backup_before_upgrade=storage.backup_before_upgrade,
    )


def _admin(config: Config) -> AdminSpec | None:
    if config.admin is None:
        return None
    token = config.admin.token
    return AdminSpec(
        listen=config.admin.listen,
        token=None if token is None else token.get_secret_value().encode(),
        fingerprint=fingerprint(config),
        config=json.dumps(shown(config)).encode(),
        endpoints=json.dumps([expectation(config, slug) for slug in config.endpoints]).encode(),
        queue_keys=tuple(
            QueueKey(key.name, key.sha256, key.pull)
            for key in config.api_keys
            if key.pull is not None
        ),
    )


def _telemetry(config: Config) -> TelemetrySpec | None:
    given = config.telemetry
    if given is None:
        return None
    return TelemetrySpec(
        traces_url=given.traces_url,
        headers={name: value.get_secret_value() for name, value in given.headers.items()},
        sample=given.sample,
        redactor=Redactor(given.secrets()),
    )


def alert_spec(config: Config, alert: AlertConfig) -> AlertSpec:
    """Compile one alert: what it tells, and what it never tells of."""
    way = config.way(alert.to)
    return AlertSpec(
        to=alert.to,
        kinds=alert.kinds(),
        destinations=way.destinations,
        slugs=way.slugs,
        backlog_deliveries=alert.backlog.deliveries,
        backlog_age_ms=round(alert.backlog.age_s * 1000),
        refused=alert.source_errors.rate,
        # When webhooks are refused, it is told, whatever the alert's own bound.
        free_bytes=max(alert.disk_low.free_bytes, config.storage.min_free_bytes or 0),
        quiet_ms={slug: round(span_s * 1000) for slug, span_s in alert.quiet_s.items()},
        every_ms=round(alert.every_s * 1000),
    )


def route_spec(config: Config, slug: str) -> RouteSpec:
    """Compile one endpoint, active or not."""
    endpoint = config.endpoints[slug]
    api_keys = tuple(ApiKey(key.name, key.sha256) for key in config.endpoint_keys())
    return RouteSpec(
        slug=slug,
        endpoint_id=endpoint.id,
        auth=endpoint.sender_auth(config.server.hook_url(slug), api_keys),
        body=endpoint.body,
        event_type_path=split_path(endpoint.event_type_path),
        idempotency=_idempotency(endpoint),
        filter=compile_filter(endpoint.filter),
        allow_ips=tuple(endpoint.allow_ips),
        per_ip=endpoint.rate_limit_per_ip,
        whole=endpoint.rate_limit,
        links=_links(config, endpoint),
        methods=frozenset(endpoint.methods),
        answer=_own_answer(config, endpoint),
        refused=RefusedRule(endpoint.refused.keep, endpoint.refused.body),
    )


def _own_answer(config: Config, endpoint: EndpointConfig) -> OwnAnswer | None:
    given = endpoint.answer
    if given is None:
        return None
    id_header = own_headers(header_case(config.header_prefix))[0]
    return OwnAnswer(given.status, given.body.encode(), given.content_type, id_header)


def _links(config: Config, endpoint: EndpointConfig) -> tuple[LinkSpec, ...]:
    return tuple(
        LinkSpec(
            destination=link.to,
            event_types=tuple(link.event_types),
            destination_event_types=tuple(config.destinations[link.to].event_types),
            filter=compile_filter(link.filter),
            forwarded_in_full=config.destinations[link.to].forwarded_in_full,
            rules=link.compiled_rules(),
        )
        for link in endpoint.destinations
    )


def _idempotency(endpoint: EndpointConfig) -> IdempotencyRule | None:
    given = endpoint.idempotency
    if given is None:
        return None
    return IdempotencyRule(
        given.header, split_path(given.body), given.window_ms, endpoint.on_duplicate
    )


def lane_spec(config: Config, name: str) -> LaneSpec:
    """Compile one destination, with what the links that lead to it do with events."""
    destination = config.destinations[name]
    courier: Courier | None
    own = destination.own_courier()
    if own is not None or destination.claimed:
        courier = own
    elif isinstance(destination, WebhookConfig):
        courier = _webhook(config, destination)
    else:
        courier = MessageCourier(destination.speaker(config.proxy), _wording(config, name))
    return LaneSpec(
        destination=name,
        courier=courier,
        policy=destination.retry.policy(),
        max_in_flight=destination.at_once(),
        links=lane_links(config, name),
        redactor=Redactor(destination.secrets()),
        signs=isinstance(destination, WebhookConfig) and destination.signer() is not None,
        breaker=destination.breaker_policy(),
        gap_s=destination.gap_s(),
        ordered=destination.ordered,
        hold_on_failed=destination.on_failed == "hold",
        type=destination.type,
        url=destination.safe_url,
        blanks=None if own is None else _blanks(own),
    )


def _blanks(courier: Courier) -> str | None:
    """Return the templates of a courier that has some of its own, for the evaluator."""
    tree = courier.blanks() if isinstance(courier, Fills) else None
    return None if tree is None else template_source(PROGRAM, tree)


def _webhook(config: Config, destination: WebhookConfig) -> WebhookCourier:
    prefix, signer = header_case(config.header_prefix), destination.signer()
    return WebhookCourier(
        destination.address,
        {k: v.get_secret_value() for k, v in destination.headers.items()},
        destination.timeout_s,
        prefix,
        destination.via(config.proxy),
        forwarding=_forwarding(destination, prefix, signer),
        signer=signer,
        sample=None if config.telemetry is None else config.telemetry.sample,
    )


def _wording(config: Config, name: str) -> Words:
    """Return who words the events of the endpoints that lead to a destination."""
    from dispatchd.wording import Wording  # noqa: PLC0415 - for destinations that people read

    return Wording(
        {
            slug: endpoint.provider
            for slug, endpoint in config.endpoints.items()
            if any(link.to == name for link in endpoint.destinations)
        }
    )


def _forwarding(
    destination: WebhookConfig, prefix: str, signer: Signer | None
) -> Forwarding | None:
    """Compile which of a sender's headers go along; None when none does."""
    if not destination.forward_headers:
        return None
    written = [
        *destination.headers,
        *own_headers(prefix),
        *(signer.names if signer else ()),
        TRACEPARENT,
        TRACESTATE,
    ]
    return Forwarding(
        destination.forwarded_in_full,
        partial(matches_any, destination.forwarded_by_glob),
        is_secret_header,
        ours={name.lower() for name in written},
        prefix=f"x-{prefix.lower()}-",
    )
