"""Endpoints, the config, statistics, refused requests, and explaining a pasted request."""

import asyncio
import base64
import binascii
from ipaddress import ip_address
from typing import Any, Final, NotRequired, TypedDict

import orjson

from dispatchd.admin.api.operation import LIMIT, Asked, Operation, choice, moment, number, text
from dispatchd.admin.parts import AdminParts
from dispatchd.admin.problems import FlawFields, Problem, not_found
from dispatchd.receive.explain import Inquiry, with_content_type
from dispatchd.shapes.endpoint import EndpointFields
from dispatchd.shapes.explanation import ExplanationFields, explanation_fields
from dispatchd.shapes.refused import RefusedFields, refused_fields
from dispatchd.shapes.spelling import iso
from dispatchd.shapes.stats import HistoryFields, StatsFields, history_fields, stats_fields
from dispatchd.store.counts import HOUR_S, KEPT_S, MINUTE_S
from dispatchd.store.refused import RefusedQuery

DAY_MS: Final = 86_400_000
SPANS_S: Final = {"minute": MINUTE_S, "hour": HOUR_S}
NUMBER_MAX: Final = 2**53
PAGE_MAX_BYTES: Final = 1024 * 1024  # of bodies, which strangers sent
HISTORY_ROWS: Final = 20_000  # of counts in one answer: some megabytes
PASTED_MAX_BYTES: Final = 4 * 1024 * 1024
_REFUSED: Final = number("refused", "Its number.", NUMBER_MAX)


class EndpointsFields(TypedDict):
    """Every endpoint of the config."""

    items: list[EndpointFields]


class ConfigFields(TypedDict):
    """The config that runs, by names that hold the units, with secrets as stars."""

    fingerprint: str
    loaded: str
    config: dict[str, Any]


class RefusedPageFields(TypedDict):
    """Refused requests, newest first; `next` is the `before` of the next page, null at the end."""

    items: list[RefusedFields]
    next: int | None


class PastedFields(TypedDict):
    """A request to explain: as it came to `endpoint`, or might.

    `headers` are pairs of name and value, the signature among them; the body is text, or base64.
    """

    endpoint: str
    headers: NotRequired[list[list[str]]]
    body: NotRequired[str]
    body_base64: NotRequired[str]
    query: NotRequired[str]
    source_ip: NotRequired[str]


async def list_endpoints(parts: AdminParts, _: Asked) -> EndpointsFields:
    """List endpoints."""
    return {"items": orjson.loads(parts.running.spec.endpoints)}


async def get_endpoint(parts: AdminParts, asked: Asked) -> EndpointFields:
    """Return what one endpoint expects and where it leads."""
    slug = asked.given["endpoint"]
    endpoints: list[EndpointFields] = orjson.loads(parts.running.spec.endpoints)
    for endpoint in endpoints:
        if endpoint["endpoint"] == slug:
            return endpoint
    raise not_found(f"endpoint {slug!r}")


async def get_config(parts: AdminParts, _: Asked) -> ConfigFields:
    """Return the config that runs."""
    return {
        "fingerprint": parts.running.spec.fingerprint,
        "loaded": iso(parts.running.began_ms),
        "config": orjson.loads(parts.running.spec.config),
    }


async def get_stats(parts: AdminParts, asked: Asked) -> StatsFields:
    """Count events and deliveries."""
    until_ms = asked.get("until")
    day_ms = max(_or(asked, "until", asked.now_ms) - DAY_MS, 0)
    since_ms = _or(asked, "since", day_ms)
    return stats_fields(await parts.reads.stats(since_ms, until_ms), since_ms, until_ms)


async def get_history(parts: AdminParts, asked: Asked) -> HistoryFields:
    """Return counts over time."""
    span_s = SPANS_S[asked.get("step") or "minute"]
    until_ms = _or(asked, "until", asked.now_ms)
    since_ms = _or(asked, "since", until_ms - (3_600_000 if span_s == MINUTE_S else DAY_MS))
    since_ms = max(since_ms, until_ms - KEPT_S[span_s] * 1000)
    until_ms = max(since_ms, until_ms)
    counts = await parts.reads.counts(span_s, since_ms, until_ms, HISTORY_ROWS)
    # It takes too long for the loop, which has webhooks to answer.
    return await asyncio.to_thread(history_fields, counts, since_ms, until_ms)


async def list_refused(parts: AdminParts, asked: Asked) -> RefusedPageFields:
    """List refused requests."""
    limit = asked.get("limit") or 50
    query = RefusedQuery(
        endpoint="" if asked.get("endpoint") == "-" else asked.get("endpoint"),
        reason=asked.get("reason"),
        since_ms=asked.get("since"),
        until_ms=asked.get("until"),
        before=asked.get("before"),
        limit=limit,
        bodies_max_bytes=PAGE_MAX_BYTES,
    )
    found = await parts.reads.find_refused(query)
    is_full = len(found) == limit or sum(len(one.body or b"") for one in found) > PAGE_MAX_BYTES
    return {
        "items": [refused_fields(one) for one in found],
        "next": found[-1].id if is_full else None,
    }


async def get_refused(parts: AdminParts, asked: Asked) -> RefusedFields:
    """Return one refused request whole."""
    one = await parts.reads.get_refused(asked.given["refused"])
    if one is None:
        raise not_found(f"refused request {asked.given['refused']}, or no more")
    return refused_fields(one)


async def explain_request(parts: AdminParts, asked: Asked) -> ExplanationFields:
    """Judge a pasted request as if it came now; nothing is stored or sent."""
    given: PastedFields = asked.body
    errors: list[FlawFields] = []
    if given["endpoint"] not in parts.running.slugs:
        errors.append({"name": "endpoint", "message": "there is no such active endpoint"})
    headers = [(pair[0], pair[1]) for pair in given.get("headers", ()) if len(pair) == 2]  # noqa: PLR2004
    if len(headers) != len(given.get("headers", ())):
        errors.append({"name": "headers", "message": "must be pairs of name and value"})
    source_ip = given.get("source_ip")
    try:
        ip_address(source_ip or "127.0.0.1")
    except ValueError:
        errors.append({"name": "source_ip", "message": "is no IP address"})
    body = given.get("body", "").encode("utf-8", "surrogatepass")
    if "body_base64" in given:
        try:
            body = base64.b64decode(given["body_base64"], validate=True)
        except (binascii.Error, ValueError):
            errors.append({"name": "body_base64", "message": "is no base64"})
        if "body" in given:
            errors.append({"name": "body", "message": "is there twice: as text and as base64"})
    if errors:
        raise Problem(400, "invalid", "the request cannot be explained", errors=errors)
    headers = with_content_type(headers, "application/json")
    query = given.get("query", "").removeprefix("?")
    inquiry = Inquiry(headers, body, source_ip or None, asked.now_ms, stored=False, query=query)
    return explanation_fields(await parts.explain(given["endpoint"], inquiry))


def _or(asked: Asked, name: str, default: int) -> int:
    value = asked.get(name)
    return default if value is None else int(value)


OPERATIONS: Final = (
    Operation(
        "GET", "/endpoints", list_endpoints, "List the endpoints of the config.", EndpointsFields
    ),
    Operation(
        "GET",
        "/endpoints/{endpoint}",
        get_endpoint,
        "Return what one endpoint expects of its senders, and where it leads.",
        EndpointFields,
        in_path=(text("endpoint", "Its slug; slashes as %2F.", most_chars=128),),
    ),
    Operation("GET", "/config", get_config, "Return the config that runs.", ConfigFields),
    Operation(
        "GET",
        "/stats",
        get_stats,
        "Count events, and deliveries by destination.",
        StatsFields,
        in_query=(
            moment("since", "From when on; a day before `until`, or now, unless told:"),
            moment("until", "Up to when; now unless told:"),
        ),
    ),
    Operation(
        "GET",
        "/stats/history",
        get_history,
        "Count what came and what became of it, minute by minute or hour by hour.",
        HistoryFields,
        in_query=(
            choice("step", "How fine; minutes are kept for a day.", list(SPANS_S)),
            moment("since", "From when on; an hour back, or a day of hours, unless told:"),
            moment("until", "Up to when; now unless told:"),
        ),
    ),
    Operation(
        "GET",
        "/refused",
        list_refused,
        "List the last requests that were refused, newest first.",
        RefusedPageFields,
        in_query=(
            text("endpoint", "Only those of this endpoint; `-` for those of none."),
            text("reason", "Only those refused for this: invalid_signature."),
            moment("since", "Only those refused since:"),
            moment("until", "Only those refused before:"),
            number("before", "Only those with a lower number.", NUMBER_MAX),
            LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/refused/{refused}",
        get_refused,
        "Return one refused request whole.",
        RefusedFields,
        in_path=(_REFUSED,),
    ),
    Operation(
        "POST",
        "/explain",
        explain_request,
        "Say what would become of a pasted request; nothing is stored or sent.",
        ExplanationFields,
        body=PastedFields,
        body_max_bytes=PASTED_MAX_BYTES,
    ),
)
