"""Traces: what arrives at a collector that decodes OTLP, and what a bad collector costs."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry import trace
from rig import BODY, FakeClock, Sink, StartDaemon, always, failing_first, simple_config
from rig_otlp import Collector, Received, collecting

from dispatchd.errors import DispatchdError
from dispatchd.telemetry.exporting import CLOSE_S

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=a,other=b"}
ROOT = "POST /hooks/{slug}"
TOKEN = "a-collectors-token"


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    async with collecting() as one:
        yield one


def traced(sink: Sink, url: str, extra: str = "", telemetry: str = "") -> str:
    return f"{simple_config(sink, extra)}\ntelemetry: {{endpoint: '{url}'{telemetry}}}\n"


def only(spans: list[Received]) -> Received:
    (span,) = spans
    return span


async def test_a_senders_trace_leads_through_to_the_destination(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    before_ns = time.time_ns()
    daemon = await start_daemon(traced(sink, collector.url))
    event_id = await daemon.accepted(BODY, headers=PARENT)
    attempt = only(await collector.wait_for("attempt crm"))
    root = only(await collector.wait_for(ROOT))
    judge, commit = only(collector.named("judge")), only(collector.named("commit"))
    assert {span.trace_id for span in (root, judge, commit, attempt)} == {TRACE}
    assert root.parent_id == SPAN
    assert {judge.parent_id, commit.parent_id, attempt.parent_id} == {root.span_id}
    assert len({span.span_id for span in (root, judge, commit, attempt)}) == 4
    assert {span.trace_state for span in (root, attempt)} == {PARENT["tracestate"]}
    headers, _ = sink.received[0]
    assert headers["traceparent"] == f"00-{TRACE}-{attempt.span_id}-01"
    assert headers["tracestate"] == PARENT["tracestate"]
    kinds = [span.kind.removeprefix("SPAN_KIND_") for span in (root, judge, commit, attempt)]
    assert kinds == ["SERVER", "INTERNAL", "INTERNAL", "CLIENT"]
    after_ns = time.time_ns()
    assert before_ns < root.start_ns <= judge.start_ns < judge.end_ns <= commit.start_ns
    assert commit.start_ns < commit.end_ns < root.end_ns < after_ns
    assert before_ns - 1_000_000 <= attempt.start_ns < attempt.end_ns < after_ns  # of whole ms
    host, port = collector_address(sink.url)
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/hooks/{slug}",
        "url.scheme": "http",
        "url.path": "/hooks/my-slug",
        "http.response.status_code": 202,
        "http.request.body.size": len(BODY),
        "client.address": "127.0.0.1",
        "dispatchd.result": "received",
        "dispatchd.endpoint": "my-slug",
        "dispatchd.event.id": event_id,
        "dispatchd.event.type": "opened",
    }
    assert attempt.attributes == {
        "http.request.method": "POST",
        "url.full": f"http://{host}:{port}",
        "server.address": host,
        "server.port": port,
        "http.response.status_code": 200,
        "dispatchd.result": "success",
        "dispatchd.endpoint": "my-slug",
        "dispatchd.event.id": event_id,
        "dispatchd.event.type": "opened",
        "dispatchd.destination": "crm",
        "dispatchd.destination.type": "webhook",
        "dispatchd.attempt.number": 1,
    }
    assert judge.attributes == {"dispatchd.result": "received"}
    assert commit.attributes == {"db.system.name": "sqlite", "dispatchd.deliveries": 1}
    assert root.resource["service.name"] == "dispatchd"
    assert not any(span.error for span in collector.spans)
    assert {path for path, _ in collector.requests} == {"/v1/traces"}


def collector_address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    return host, int(port)


async def test_an_attempt_after_a_restart_is_of_the_same_trace(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    clock = FakeClock()
    sink.answer = failing_first(1)
    config = traced(sink, collector.url, ", retry: {backoff: [2d], jitter: 0}")
    daemon = await start_daemon(config, clock=clock)
    await daemon.accepted(BODY, headers=PARENT)
    await daemon.log.wait_for("attempt", result="retrying")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    assert len(collector.named("attempt crm")) == 1  # whatever waited has been exported
    daemon = await start_daemon(config, clock=clock)
    await daemon.pass_until(clock, lambda: len(sink.received) > 1, step_s=3600)
    first, second = await collector.wait_for("attempt crm", 2)
    root = only(collector.named(ROOT))
    assert (first.error, first.attributes["error.type"]) == (True, "500")
    assert (second.error, second.attributes["http.request.resend_count"]) == (False, 1)
    assert [s.attributes["dispatchd.attempt.number"] for s in (first, second)] == [1, 2]
    assert {first.parent_id, second.parent_id} == {root.span_id}
    assert {first.trace_id, second.trace_id} == {TRACE}
    sent = [headers["traceparent"] for headers, _ in sink.received]
    assert sent == [f"00-{TRACE}-{span.span_id}-01" for span in (first, second)]
    assert second.start_ns - first.start_ns > 47 * 3600 * 10**9


async def test_without_a_senders_trace_the_event_has_one(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    daemon = await start_daemon(traced(sink, collector.url))
    await daemon.accepted(BODY, headers={"traceparent": "00-nonsense", "tracestate": "a=1"})
    attempt = only(await collector.wait_for("attempt crm"))
    root = only(collector.named(ROOT))
    assert (root.parent_id, root.trace_state) == ("", "")
    assert attempt.parent_id == root.span_id
    headers, _ = sink.received[0]
    assert headers["traceparent"] == f"00-{root.trace_id}-{attempt.span_id}-01"
    assert "tracestate" not in headers


async def test_what_a_sender_does_not_record_is_not_recorded(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    daemon = await start_daemon(traced(sink, collector.url))
    unsampled = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
    await daemon.accepted(BODY, headers=unsampled)
    await daemon.log.wait_for("attempt", 1)
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", 2)
    await collector.wait_for("attempt crm")
    assert TRACE not in {span.trace_id for span in collector.spans}
    assert sink.received[0][0]["traceparent"].endswith("-00")


async def test_refusals_and_faults_are_told_with_their_reason(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    daemon = await start_daemon(traced(sink, collector.url))
    assert (await daemon.post(BODY, secret="wrong", headers=PARENT))[0] == 401
    assert (await daemon.post(BODY, slug="a-strangers-word"))[0] == 404
    assert (await daemon.post(b"{"))[0] == 400
    wrong, unknown, broken = await collector.wait_for(ROOT, 3)
    assert wrong.attributes["dispatchd.result"] == "invalid_signature"
    assert wrong.attributes["http.response.status_code"] == 401
    assert (wrong.trace_id, wrong.parent_id, wrong.error) == (TRACE, SPAN, False)
    assert unknown.attributes["dispatchd.result"] == "unknown_endpoint"
    assert not {"dispatchd.endpoint", "url.path"} & set(unknown.attributes)
    assert broken.attributes["dispatchd.result"] == "invalid_json"
    judges = collector.named("judge")
    assert [judge.parent_id for judge in judges] == [wrong.span_id, broken.span_id]
    assert collector.named("commit") == []


async def test_no_span_holds_a_body_a_secret_or_a_query(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    sink.answer = always(500, text="echo: sesame-of-the-answer")
    told = f", headers: {{Authorization: 'Bearer {TOKEN}'}}"
    extra = ", headers: {X-Token: sesame-header}"
    config = traced(sink, collector.url, extra, told)
    address = sink.url.removeprefix("http://")
    config = config.replace(
        sink.url, f"http://user:sesame-pass@{address}sesame-path?token=sesame-query"
    )
    daemon = await start_daemon(config)
    event = json.dumps({"action": "opened", "secret": "sesame-body"}).encode()
    await daemon.accepted(
        event, headers={"Cookie": "sesame-cookie", "Referer": "http://x/?sesame-referer"}
    )
    attempt = only(await collector.wait_for("attempt crm"))
    assert attempt.attributes["url.full"] == f"http://{address.rstrip('/')}"
    assert b"sesame" not in b"".join(collector.raw)
    assert {headers["Authorization"] for _, headers in collector.requests} == {f"Bearer {TOKEN}"}


async def test_the_environment_says_what_the_config_does_not(
    start_daemon: StartDaemon,
    sink: Sink,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-tenant={TOKEN}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "hooks")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")  # `sample` decides, in the config
    daemon = await start_daemon(simple_config(sink) + "\ntelemetry: {}\n")
    await daemon.accepted(BODY)
    span = only(await collector.wait_for("attempt crm"))
    assert span.resource["service.name"] == "hooks"
    assert span.resource["deployment.environment.name"] == "staging"
    _, headers = collector.requests[0]
    assert (headers["x-tenant"], headers["Content-Encoding"]) == (TOKEN, "gzip")


async def test_an_environment_that_makes_no_sense_is_said_at_the_start(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(DispatchdError, match=r"^telemetry: OpenTelemetry does not take .*queue"):
        await start_daemon(traced(sink, "http://127.0.0.1:1"))


async def test_the_environment_alone_turns_nothing_on(
    start_daemon: StartDaemon,
    sink: Sink,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    daemon = await start_daemon(simple_config(sink))
    await daemon.accepted(BODY, headers=PARENT)
    await daemon.log.wait_for("attempt")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    assert collector.requests == []
    headers, _ = sink.received[0]
    assert {name: headers[name] for name in PARENT} == PARENT  # passed on as they came


async def test_a_collector_that_is_not_there_is_said_once_and_costs_nothing(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1.5")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    headers = f", headers: {{x-token: {TOKEN}}}"
    daemon = await start_daemon(traced(sink, f"http://127.0.0.1:{port}", telemetry=headers))
    for _ in range(40):  # far more spans than have room
        await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", 40, result="success")
    (told,) = await daemon.log.wait_for("telemetry_failed")
    assert told["level"] == "warning"
    assert "refused" in told["reason"].lower()
    assert TOKEN not in str(daemon.log.lines)
    assert not daemon.log.of("library")
    async with collecting(port) as collector:
        await daemon.accepted(BODY)
        await daemon.log.wait_for("telemetry_recovered")
        assert collector.spans
    assert len(daemon.log.of("telemetry_failed")) == 1


@pytest.mark.parametrize("status", [401, 503])
async def test_a_collector_that_refuses_is_said_once(
    start_daemon: StartDaemon,
    sink: Sink,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1.5")
    collector.status = status
    daemon = await start_daemon(traced(sink, collector.url))
    for count in range(1, 4):
        await daemon.accepted(BODY)
        await collector.wait_until(lambda count=count: len(collector.requests) >= count)
    (told,) = await daemon.log.wait_for("telemetry_failed")
    assert {401: "401", 503: "Service Unavailable"}[status] in told["reason"]
    collector.status = 200
    await daemon.accepted(BODY)
    await daemon.log.wait_for("telemetry_recovered")
    assert len(daemon.log.of("telemetry_failed")) == 1


async def test_a_collector_that_never_answers_holds_nothing_up(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    asked, over = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    daemon = await start_daemon(traced(sink, f"http://127.0.0.1:{port}"))
    await daemon.accepted(BODY)
    await asked.wait()
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", 2, result="success")
    began_s = time.monotonic()
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    assert time.monotonic() - began_s < CLOSE_S + 7  # its own timeout is 10 s, for each try
    over.set()
    server.close()
    await server.wait_closed()


async def test_a_reload_moves_to_another_collector(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    daemon = await start_daemon(traced(sink, collector.url))
    await daemon.accepted(BODY)
    await collector.wait_for("attempt crm")
    path = Path(daemon.app._plan.source)
    async with collecting() as other:
        text = path.read_text()
        path.write_text(text.replace(collector.url, other.url))
        outcome = await daemon.app.reload()
        assert outcome.problems == ()
        assert [str(change) for change in outcome.changes] == ["changed telemetry: endpoint"]
        event_id = await daemon.accepted(BODY)
        span = only(await other.wait_for("attempt crm"))
        assert span.attributes["dispatchd.event.id"] == event_id
        path.write_text("\n".join(x for x in text.splitlines() if "telemetry" not in x))
        outcome = await daemon.app.reload()
        assert any("telemetry: needs a restart" in problem for problem in outcome.problems)
        await start_daemon.stop(daemon)  # type: ignore[attr-defined]


async def test_nothing_of_it_is_global(
    start_daemon: StartDaemon, sink: Sink, collector: Collector
) -> None:
    daemon = await start_daemon(traced(sink, collector.url))
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
