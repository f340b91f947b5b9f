"""W3C Trace Context: what is read of a sender's headers, and what destinations are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nouns import NOW_MS, an_event
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dispatchd.config import parse
from dispatchd.model import Delivery, DeliveryStatus
from dispatchd.plan.compiling import compile_plan
from dispatchd.trace_context import (
    MEMBERS_MAX,
    attempted,
    continued,
    received,
    sender_context,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
# https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values and what its own
# test suite (w3c/trace-context, test/test.py) tries.
INVALID = [
    "",
    "00",
    PARENT[:-1],
    f"{PARENT}.",
    f"{PARENT}-00",  # version 00 has four parts
    f"ff-{TRACE}-{SPAN}-01",
    f"0-{TRACE}-{SPAN}-01",
    f"000-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN.upper()}-01",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}0-01",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE}-{SPAN}-.1",
    f"00-{TRACE}-{SPAN}-01\n",
    f"00-{TRACE[:-1]}\u0661-{SPAN}-01",
    f"01-{TRACE}-{SPAN}-01.x",
    f"01-{TRACE}-{SPAN}-01-\x07",
    f"01-{TRACE}-{SPAN}-01-\u00e9",
    f"00_{TRACE}_{SPAN}_01",
]


@pytest.mark.parametrize("value", INVALID)
def test_what_is_not_valid_is_as_if_it_were_not_there(value: str) -> None:
    headers = [("traceparent", value), ("tracestate", "a=1")]
    assert sender_context(headers) is None
    assert continued(headers) == []


@pytest.mark.parametrize("value", [PARENT, f" {PARENT}\t", f"cc-{TRACE}-{SPAN}-01-what-comes"])
def test_what_is_valid_is_passed_on_as_it_came(value: str) -> None:
    headers = [("TraceParent", value), ("TRACESTATE", "a=1 , b=2")]
    assert continued(headers) == [("traceparent", value.strip()), ("tracestate", "a=1,b=2")]
    found = sender_context(headers)
    assert found is not None
    assert (found.trace_id, found.span_id, found.sampled) == (TRACE, SPAN, True)


def test_of_two_parents_neither_is_believed() -> None:
    assert continued([("traceparent", PARENT), ("Traceparent", PARENT)]) == []


def test_a_state_without_a_parent_goes_nowhere() -> None:
    assert continued([("tracestate", "a=1")]) == []


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        (["rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["a=1,,b=2,"], "a=1,b=2"),
        (["fw529a3039@dt=FfFfFf", "1a=x y"], "fw529a3039@dt=FfFfFf,1a=x y"),
        (["a=1,a=2"], ""),
        (["A=1"], ""),
        (["a"], ""),
        (["a=1=2"], ""),
        (["a=\x7f"], ""),
        (["a=\u00e9"], ""),
        (["a=" + "x" * 257], ""),
        (["a=" + "x" * 256], "a=" + "x" * 256),
        ([",".join(f"k{n}=v" for n in range(MEMBERS_MAX + 1))], ""),
    ],
)
def test_a_state_is_kept_whole_or_not_at_all(states: list[str], kept: str) -> None:
    found = sender_context([("traceparent", PARENT), *(("tracestate", s) for s in states)])
    assert found is not None
    assert found.state == kept


def test_flags_that_nobody_knows_are_not_told_on() -> None:
    event = an_event(headers=(("traceparent", f"00-{TRACE}-{SPAN}-ff"),))
    context = attempted(event.id, event.headers, 1.0, "crm", 1)
    assert context.traceparent() == f"00-{TRACE}-{context.span_id}-03"


@given(st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate"]), st.text()), max_size=4))
def test_whatever_comes_nothing_is_raised(headers: list[tuple[str, str]]) -> None:
    for _, value in continued(headers):
        assert value.isascii()
        assert value.isprintable()


@given(
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.text("0123456789abcdef", min_size=2, max_size=2),
    st.sampled_from(["00", "01", "ff"]),
)
def test_opentelemetry_reads_the_same(trace: str, span: str, flags: str, version: str) -> None:
    value = f"{version}-{trace}-{span}-{flags}"
    context = TraceContextTextMapPropagator().extract({"traceparent": value})
    theirs = get_current_span(context).get_span_context()
    ours = sender_context([("traceparent", value)])
    assert (ours is not None) == theirs.is_valid
    if ours is not None:
        assert int(ours.trace_id, 16) == theirs.trace_id
        assert int(ours.span_id, 16) == theirs.span_id
        assert ours.sampled == theirs.trace_flags.sampled


def test_an_event_without_a_trace_has_one_of_its_own() -> None:
    event = an_event(headers=())
    receipt = received(event.id, event.headers, 1.0)
    first = attempted(event.id, event.headers, 1.0, "crm", 1)
    second = attempted(event.id, event.headers, 1.0, "crm", 2)
    other = attempted(event.id, event.headers, 1.0, "audit", 1)
    assert len({c.trace_id for c in (receipt, first, second, other)}) == 1
    assert len({c.span_id for c in (receipt, first, second, other)}) == 4
    assert attempted(event.id, (), 1.0, "crm", 1) == first  # whoever asks, and whenever
    assert received(an_event().id, (), 1.0).trace_id != receipt.trace_id


@pytest.mark.parametrize("sample", [0.0, 0.25, 1.0])
def test_a_share_of_our_own_traces_is_recorded(sample: float) -> None:
    ratio = TraceIdRatioBased(sample)
    found = [received(an_event().id, (), sample) for _ in range(400)]
    for one in found:
        theirs = ratio.should_sample(None, int(one.trace_id, 16), "x")
        assert one.sampled == theirs.decision.is_sampled()
    share = sum(one.sampled for one in found) / len(found)
    assert abs(share - sample) < 0.15  # five sigma


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True)])
def test_a_sender_says_whether_its_trace_is_recorded(flags: str, *, sampled: bool) -> None:
    headers = (("traceparent", f"00-{TRACE}-{SPAN}-{flags}"),)
    for sample in (0.0, 1.0):
        assert received("e", headers, sample).sampled is sampled


def sent(telemetry: str = "", destination: str = "", **event: object) -> dict[str, str]:
    config = parse(
        "endpoints: {e: {secret: s, destinations: [crm]}}\n"
        f"destinations: {{crm: {{url: 'http://x/'{destination}}}}}\n{telemetry}"
    )
    delivery = Delivery("e", "crm", DeliveryStatus.RETRYING, 2, 0, 0, NOW_MS)
    courier = compile_plan(config).lanes["crm"].courier
    request = courier.compose(an_event(**event), delivery, None, NOW_MS)
    headers = list(request.headers.items())
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return {name.lower(): value for name, value in headers}


def test_a_destination_is_told_the_senders_trace() -> None:
    headers = sent(headers=(("Traceparent", PARENT), ("Tracestate", "a=1")))
    assert (headers["traceparent"], headers["tracestate"]) == (PARENT, "a=1")
    assert not {"traceparent", "tracestate"} & set(sent(headers=()))
    assert "traceparent" not in sent(headers=(("traceparent", "made up"),))


def test_a_trace_is_told_once_whatever_is_forwarded() -> None:
    given = (("traceparent", PARENT), ("X-A", "1"))
    headers = sent(destination=", forward_headers: ['*', traceparent]", headers=given)
    assert (headers["traceparent"], headers["x-a"]) == (PARENT, "1")


def test_the_operators_own_header_stands() -> None:
    headers = sent(destination=", headers: {Traceparent: mine}", headers=(("traceparent", PARENT),))
    assert headers["traceparent"] == "mine"


def test_with_telemetry_each_attempt_tells_its_own_span() -> None:
    event = an_event(headers=(("traceparent", PARENT), ("tracestate", "a=1")))
    headers = sent("telemetry: {}", id=event.id, headers=event.headers)
    expected = attempted(event.id, event.headers, 1.0, "crm", 3)
    assert headers["traceparent"] == f"00-{TRACE}-{expected.span_id}-01"
    assert headers["tracestate"] == "a=1"
    alone = sent("telemetry: {sample: 0}", id=event.id, headers=())
    own = attempted(event.id, (), 0.0, "crm", 3)
    assert alone["traceparent"] == f"00-{own.trace_id}-{own.span_id}-00"
    assert "tracestate" not in alone
