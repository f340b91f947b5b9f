"""What the dashboard draws and spells: charts, folded JSON, commands, times, words. Pure."""

import json
import subprocess
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import HANG_S

from dispatchd.admin.dashboard import folding
from dispatchd.admin.dashboard.charts import bars, lines, nice_top, spark
from dispatchd.admin.dashboard.curl import curl
from dispatchd.admin.dashboard.drawing import came_drawn, times_drawn, went_drawn
from dispatchd.admin.dashboard.filters import ago, rate, share, took
from dispatchd.admin.dashboard.folding import folded, folded_value
from dispatchd.admin.dashboard.health import draining, health, worst_first
from dispatchd.admin.dashboard.past import SPANS, past_of
from dispatchd.admin.dashboard.pulse import DELIVERED, RECEIVED, Pulse
from dispatchd.facts import WebhookAnswered
from dispatchd.model import Event, EventStatus
from dispatchd.shapes.lane import LaneFields
from dispatchd.store.counts import Counts, DestinationCount, EndpointCount

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def parsed(html: str) -> ET.Element:
    """Read what a browser would have to mend; raises where it is not well formed."""
    return ET.fromstring(html.replace("<details open>", '<details open="">'))


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_folded_json_is_well_formed_and_leaves_nothing_out(document: object) -> None:
    html = folded(json.dumps(document).encode())
    assert html is not None
    tree = parsed(html)
    assert {one.tag for one in tree.iter()} <= {"div", "details", "summary", "p", "b", "i", "small"}
    scalars = len(tree.findall(".//p"))

    def leaves(value: object) -> int:
        if isinstance(value, dict | list) and value:
            return sum(leaves(v) for v in (value.values() if isinstance(value, dict) else value))
        return 1

    assert scalars == leaves(document)


@pytest.mark.parametrize("spelled", ["1.50", "1e400", "-0", "12345678901234567890123", "NaN"])
def test_numbers_are_spelled_as_they_came(spelled: str) -> None:
    assert f"<i>{spelled}</i>" in str(folded(f'{{"n": {spelled}}}'.encode()))


def test_a_key_that_is_there_twice_is_shown_twice() -> None:
    assert str(folded(b'{"a": 1, "a": 2}')).count("<b>a:</b>") == 2


@pytest.mark.parametrize(
    "document",
    [
        {"a": ["x" * 50] * 3000},
        {f"k{n}": {"deep": {"deeper": [n]}} for n in range(2000)},
        ["<" * 5000] * 12,
    ],
)
def test_what_is_long_is_cut_and_stays_well_formed(document: object) -> None:
    body = json.dumps(document).encode()[: folding.READ_MAX_BYTES]
    html = folded_value(document)
    assert len(html) <= folding.HTML_MAX_CHARS + 4000
    assert "left out" in html
    parsed(html)
    assert folded(body + b" " * folding.READ_MAX_BYTES) is None


def test_what_is_deep_is_bounded() -> None:
    assert folded(b"[" * 20_000 + b"]" * 20_000) is None
    html = folded(b"[" * 200 + b"]" * 200)
    assert html is not None
    parsed(html)
    assert html.count("<details") <= folding.DEPTH_MAX


def test_what_is_no_json_is_none() -> None:
    for body in (b"", b"{", b"a=b", b"\xff\xfe", b"\x00"):
        assert folded(body) is None


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
@settings(max_examples=60, deadline=None)
def test_a_shell_reads_the_body_from_the_command_as_it_came(body: bytes) -> None:
    if b"\x00" in body:
        return  # no argument can hold one; curl would be given a file
    command = curl("http://localhost/hooks/a b", [("X-A", "it's; $(true)")], "text/plain", body)
    script = f'curl() {{ for last; do :; done; printf %s "$last"; }}\n{command}'
    ran = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=HANG_S)
    assert ran.stdout == body
    assert all(char.isprintable() or char in "\n\t" for char in command)


def test_a_large_body_is_taken_from_a_file_and_what_a_client_writes_itself_left_out() -> None:
    headers = [
        ("Host", "x"),
        ("Content-Length", "9"),
        ("X-Bad", "a\x1b[2J"),
        ("content-type", "a/b"),
    ]
    command = curl("http://x/", headers, "text/plain", b"x" * 5000, socket="/run/d.sock")
    assert "--data-binary @body" in command
    assert "--unix-socket /run/d.sock" in command
    for left_out in ("Host", "Content-Length", "X-Bad", "text/plain"):
        assert left_out not in command
    assert "content-type: a/b" in command


counts = st.lists(st.integers(0, 10**9), min_size=1, max_size=90)


@given(counts, counts)
@settings(deadline=None)
def test_bars_stay_in_their_chart(good: list[int], bad: list[int]) -> None:
    size = min(len(good), len(bad))
    good, bad = good[:size], bad[:size]
    titles = ["<at> & so on"] * size
    chart = bars(good, bad, titles, 'a "label"')
    assert chart.top >= max(g + b for g, b in zip(good, bad, strict=True))
    tree = ET.fromstring(chart.svg)
    assert tree.attrib["aria-label"] == 'a "label"'
    assert [one.text for one in tree.iter("title")] == titles
    ET.fromstring(spark(good, bad, "<words>"))


@given(st.lists(st.none() | st.floats(0, 1e7), min_size=1, max_size=90))
def test_lines_stay_in_their_chart(values: list[float | None]) -> None:
    chart = lines(values, values, ["t"] * len(values), "label")
    ET.fromstring(chart.svg)
    assert chart.top >= max([value for value in values if value is not None], default=0)
    assert "nan" not in chart.svg


@given(st.floats(0, 1e15))
def test_a_scale_ends_above_what_it_shows_and_not_far_above(most: float) -> None:
    assert most <= nice_top(most) <= max(1, most * 1.7)


HOUR_S = 1_790_000_000 // 3600 * 3600


@pytest.mark.parametrize("span", SPANS.values(), ids=lambda span: span.name)
def test_counts_fall_into_their_steps(span: object) -> None:
    now_ms = (HOUR_S + 1800) * 1000
    since_s = span.since_s(now_ms)  # type: ignore[attr-defined]
    last_s = since_s + (span.steps - 1) * span.step_s  # type: ignore[attr-defined]
    assert last_s <= now_ms / 1000 < last_s + span.step_s  # type: ignore[attr-defined]
    given_counts = Counts(
        span.count_s,  # type: ignore[attr-defined]
        [
            EndpointCount(since_s - 1, "a", "received", 100),  # before it
            EndpointCount(since_s, "a", "received", 3),
            EndpointCount(last_s, "a", "invalid_signature", 2),
            EndpointCount(last_s, None, "unknown_endpoint", 5),
        ],
        [
            DestinationCount(since_s, "crm", "success", 64, 10),
            DestinationCount(last_s, "crm", "success", 1024, 1),
            DestinationCount(last_s, "crm", "retrying", 64, 4),
            DestinationCount(last_s, "crm", "failed", 64, 1),
        ],
    )
    past = past_of(span, since_s, given_counts)  # type: ignore[arg-type]
    assert (past.of_endpoint("a").good[0], sum(past.of_endpoint("a").good)) == (3, 3)
    assert past.of_endpoint("a").bad[-1] == 2
    assert past.of_endpoint(None).results == {"unknown_endpoint": 5}
    crm = past.of_destination("crm")
    assert (crm.good[0], crm.good[-1], crm.bad[-1]) == (10, 1, 5)
    assert crm.results == {"success": 11, "retrying": 4, "failed": 1}
    assert 45 < (crm.quantile_ms(0.5) or 0) <= 64 < (crm.quantile_ms(0.99) or 0) <= 1024
    assert past.p50_ms[1] is None
    assert past.of_destination("nobody").good == [0] * span.steps  # type: ignore[attr-defined]
    for drawn in (
        came_drawn(past, past.all_endpoints),
        went_drawn(past, crm),
        times_drawn(past),
    ):
        ET.fromstring(drawn.svg)
        assert drawn.labels[-1] == "now"
        assert not drawn.empty


def lane(**fields: object) -> LaneFields:
    whole = {
        "destination": "crm",
        "state": "open",
        "held": [],
        "paced": None,
        "backlog": 0,
        "oldest_due": None,
        "last_success": None,
        "last_error": None,
        "last_error_class": None,
    }
    return {**whole, **fields}  # type: ignore[typeddict-item, return-value]


HELD = [{"kind": "paused", "reason": "noon", "since": "2026-01-01T00:00:00.000Z", "detail": {}}]
EARLY, LATE = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"


def test_health_in_a_word() -> None:
    assert health(lane()).word == "Idle"
    assert health(lane(last_success=LATE, last_error=EARLY)).word == "Healthy"
    failing = lane(last_success=EARLY, last_error=LATE, last_error_class="dns_error")
    assert (health(failing).word, health(failing).why) == ("Failing", "dns error")
    paced = lane(paced={"reason": "it fails", "since": LATE})
    assert health(paced).tone == "warn"
    held = lane(held=HELD)
    assert (health(held).word, health(held).why) == ("Paused", "noon")
    assert worst_first([lane(), held, paced, failing]) == [failing, paced, held, lane()]


@pytest.mark.parametrize(
    ("fields", "per_s", "words"),
    [
        ({"backlog": 0}, 5.0, ""),
        ({"backlog": 10, "held": HELD}, 5.0, "waits until it is resumed"),
        ({"backlog": 10}, None, "measuring how fast it drains"),
        ({"backlog": 1200}, 10.0, "gone in about 2m, at 10.0/s"),
        ({"backlog": 10}, -2.0, "grows by 2.0/s"),
        ({"backlog": 10}, 0.0, "not shrinking"),
    ],
)
def test_when_a_backlog_is_gone(fields: dict[str, object], per_s: float, words: str) -> None:
    assert draining(lane(**fields), per_s) == words


def test_numbers_and_times_in_words() -> None:
    assert [rate(n) for n in (0, 0.01, 0.44, 9.96, 12.3, 1234.5)] == [
        "0", "<0.1", "0.4", "10.0", "12", "1,234",
    ]  # fmt: skip
    assert [took(ms) for ms in (None, 0.44, 38.2, 1234.0, 90_000.0)] == [
        "\u2013", "0.4 ms", "38 ms", "1.2 s", "1m",
    ]  # fmt: skip
    assert [share(*of) for of in ((0, 0), (1, 1000), (1, 3))] == ["0 %", "0.1 %", "33 %"]
    now_ms = 1_767_225_600_000  # 2026-01-01
    assert ago("2026-01-01T00:00:00.000Z", now_ms + 400) == "now"
    assert ago("2026-01-01T00:00:00.000Z", now_ms + 185_000) == "3m ago"
    assert ago("2026-01-01T00:00:00.000Z", now_ms - 7_200_000) == "in 2h"


def test_the_pulse_counts_by_the_second() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    event = Event(
        id="e", endpoint="a", endpoint_id="i", received_ms=0, event_type=None, source_ip=None,
        status=EventStatus.RECEIVED, filtered_by=None, content_type="", headers=(), body=b"",
        auth=None,
    )  # fmt: skip
    for _ in range(20):
        pulse.watch(WebhookAnswered("a", 202, event=event))
    pulse.watch(WebhookAnswered("a", 401, error="invalid_signature"))
    assert pulse.version == 21
    assert pulse.per_s(RECEIVED) == 0  # no second is whole yet
    now[0] += 2
    assert pulse.per_s(RECEIVED) == 10
    now[0] += 8
    assert pulse.per_s(RECEIVED) == 2
    now[0] += 1
    assert pulse.per_s(RECEIVED) == pulse.per_s(DELIVERED) == 0
    now[0] += 1000
    pulse.watch(WebhookAnswered("a", 202, event=event))
    now[0] += 1
    assert pulse.per_s(RECEIVED) == 0.1
