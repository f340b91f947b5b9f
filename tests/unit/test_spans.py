"""Facts as spans: what each says of a destination of each kind, and of a stranger's words."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from nouns import NOW_MS, an_attempt, an_event

from dispatchd.alert_kinds import ALERTS
from dispatchd.config import ConfigProblems, TelemetryConfig, parse
from dispatchd.facts import AttemptEnded, WebhookAnswered
from dispatchd.model import (
    Dead,
    Delivered,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Event,
    RetryAt,
    Verdict,
)
from dispatchd.telemetry.spans import (
    EVENT_TYPE_MAX_CHARS,
    SpanFields,
    Target,
    Value,
    attempt_span,
    webhook_spans,
)
from dispatchd.trace_context import attempted, received

DOCS = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text()
WEBHOOK = Target("webhook", "https://crm.example.com")


def ended(
    target: Target | None = WEBHOOK,
    error: ErrorClass | None = None,
    event: Event | None = None,
    verdict: Verdict | None = None,
    **attempt: object,
) -> SpanFields:
    event = event or an_event(headers=())
    delivery = Delivery(event.id, "crm", DeliveryStatus.QUEUED, 0, 0, 0, NOW_MS)
    made = replace(an_attempt(delivery, error=error), **attempt)  # type: ignore[arg-type]
    fact = AttemptEnded(event, made, verdict or (RetryAt(NOW_MS) if error else Delivered()))
    span = attempt_span(fact, target, 1.0)
    assert span is not None
    return span


def answered(**fields: object) -> list[SpanFields]:
    told = {"status": 202, "latency_ms": 5.0, "began_s": 100.0, **fields}
    fact = WebhookAnswered("my-slug", **told)  # type: ignore[arg-type]
    return list(webhook_spans(fact, 1.0, "an-id", 101.0, 10**18))


@pytest.mark.parametrize(
    ("target", "attributes"),
    [
        (
            WEBHOOK,
            {
                "http.request.method": "POST",
                "url.full": "https://crm.example.com",
                "http.response.status_code": 200,
                "server.address": "crm.example.com",
                "server.port": 443,
            },
        ),
        (
            Target("matrix", "http://[::1]:8008"),
            {
                "http.request.method": "PUT",
                "url.full": "http://[::1]:8008",
                "http.response.status_code": 200,
                "server.address": "::1",
                "server.port": 8008,
            },
        ),
        (
            Target("email", "smtps://mail.example.com:465"),
            {"server.address": "mail.example.com", "server.port": 465},
        ),
        (Target("webhook", "http+unix://%2Frun%2Fx.sock"), {}),
        (Target("apprise", "mailto://, json://"), {}),
        (Target("command", "/usr/local/bin/deploy"), {"process.exit.code": 200}),
    ],
)
def test_an_attempt_says_where_it_went(target: Target, attributes: dict[str, Value]) -> None:
    span = ended(target)
    theirs = {k: v for k, v in span.attributes.items() if not k.startswith("dispatchd.")}
    assert theirs == attributes
    assert span.attributes["dispatchd.destination.type"] == target.type


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (None, 200, None),
        (ErrorClass.HTTP, 503, "503"),
        (ErrorClass.REDIRECT, 302, "redirect"),
        (ErrorClass.TIMEOUT, None, "timeout"),
    ],
)
def test_an_attempt_that_failed_says_of_what(
    error: ErrorClass | None, status: int | None, told: str | None
) -> None:
    assert ended(error=error, status_code=status).error == told


def test_an_attempt_says_what_became_of_its_delivery() -> None:
    results = [
        ended(verdict=verdict).attributes["dispatchd.result"]
        for verdict in (Delivered(), RetryAt(NOW_MS), Dead())
    ]
    assert results == ["success", "retrying", "failed"]


def test_a_destination_that_hung_up_the_config_is_told_by_its_name() -> None:
    span = ended(target=None)
    assert span.name == "attempt crm"
    assert not [name for name in span.attributes if not name.startswith("dispatchd.")]


def test_an_alert_begins_its_trace() -> None:
    event = an_event(endpoint=ALERTS, headers=())
    span = ended(event=event)
    assert span.parent is None
    assert span.context == attempted(event.id, (), 1.0, "crm", 1)
    assert ended(event=replace(event, endpoint="e")).parent == received(event.id, (), 1.0)


def test_a_strangers_words_are_bounded_and_can_be_exported() -> None:
    event = an_event(event_type="\ud800" + "x" * 10_000, headers=())
    (told,) = (answered(event=event)[0],)
    for span in (told, ended(event=event)):
        found = str(span.attributes["dispatchd.event.type"])
        assert found.encode() == b"?" + b"x" * (EVENT_TYPE_MAX_CHARS - 1)
    (odd,) = answered(method="BREW", error="method_not_allowed", status=405)
    assert odd.name == "HTTP /hooks/{slug}"
    assert odd.attributes["http.request.method"] == "_OTHER"


def test_a_request_that_could_not_be_kept_is_an_error() -> None:
    event = an_event(headers=())
    failed = {"status": 503, "error": "unavailable_full"}
    times = {"read_s": 100.001, "judged_s": 100.002}
    root, judge, commit = answered(event=event, **failed, **times)
    assert (root.error, judge.error, commit.error) == ("unavailable_full", None, "unavailable_full")
    assert "dispatchd.event.id" not in root.attributes  # nobody will ever find it
    assert commit.end_ns == root.end_ns


def test_a_duplicate_names_the_first() -> None:
    root, *_ = answered(
        event=an_event(headers=()), duplicate_of="the-first", error="duplicate", kept_s=100.003
    )
    assert root.attributes["dispatchd.event.id"] == "the-first"
    assert root.attributes["dispatchd.result"] == "duplicate"


def test_the_docs_have_every_attribute_and_no_other() -> None:
    event = an_event(headers=())
    spans = [
        *answered(
            event=event, read_s=100.001, judged_s=100.002, kept_s=100.003, body_bytes=7,
            source_ip="203.0.113.9", destinations=["crm"],
        ),
        ended(error=ErrorClass.HTTP, number=2),
        ended(Target("command", "/bin/x")),
    ]  # fmt: skip
    names = {name for span in spans for name in span.attributes} | {"error.type"}
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", DOCS, re.MULTILINE)) == names


def problems(telemetry: str) -> list[str]:
    with pytest.raises(ConfigProblems) as raised:
        parse(f"telemetry: {telemetry}")
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://x",
        "http+unix://%2Frun%2Fx",
        "http://user:sesame@x:4318",
        "http://x:4318/?token=sesame",
        "nonsense",
        "",
    ],
)
def test_an_endpoint_must_be_a_receivers(endpoint: str) -> None:
    (problem,) = problems(f"{{endpoint: '{endpoint}'}}")
    assert problem.startswith("config.yaml:1: telemetry.endpoint: ")
    assert "sesame" not in problem


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = problems("{endpont: 'http://x', sample: 2, headers: {Host: x}}")
    assert [problem.split(": ")[1] for problem in found] == [
        "telemetry.endpont",
        "telemetry.headers.Host",
        "telemetry.sample",
    ]
    assert 'did you mean "endpoint"?' in found[0]


def test_the_libraries_have_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name)

    for find in (lambda _: None, nothing):
        monkeypatch.setattr("dispatchd.config.telemetry.find_spec", find)
        (problem,) = problems("{}")
        assert "config.yaml:1: telemetry: needs the libraries of OpenTelemetry" in problem
        assert "pip install 'dispatchd[otel]'" in problem


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://x:4318", "http://x:4318/v1/traces"),
        ("http://x:4318/", "http://x:4318/v1/traces"),
        ("https://x/otlp", "https://x/otlp/v1/traces"),
        ("https://x/v1/traces", "https://x/v1/traces"),
    ],
)
def test_the_path_is_added_unless_it_is_there(endpoint: str, url: str) -> None:
    config = TelemetryConfig.model_validate({"endpoint": endpoint})
    assert config.traces_url == url
