"""What a log line looks like: JSON that means what was said, text that a person reads."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatchd.log import make_log
from dispatchd.log.text import span
from dispatchd.model import ErrorClass
from dispatchd.terminal import wants_colour

NOW_MS = 1_700_000_000_123
EVENT = {
    "endpoint": "github",
    "status": 202,
    "source_ip": "203.0.113.7",
    "body_bytes": 1234,
    "auth": "github[0]",
    "event_id": "01a2",
    "event_type": "issues",
    "destinations": ["crm", "audit"],
    "latency_ms": 3.2,
}
ATTEMPT = {
    "result": "success",
    "event_id": "01a2",
    "endpoint": "github",
    "event_type": "issues",
    "destination": "crm",
    "number": 1,
    "status_code": 200,
    "latency_ms": 5.4,
}


def logged(log_format, level="info", environ=None, **kwargs):
    stream = io.BytesIO()
    log = make_log(
        log_format,
        level="debug",
        file=stream,
        environ=environ or {},
        now_ns=lambda: NOW_MS * 1_000_000,
    )
    event = kwargs.pop("event", "started")
    getattr(log, level)(event, **kwargs)
    return stream.getvalue().decode()


def test_json_has_its_fields_in_one_line():
    line = logged("json", event="attempt", level="warning", error=ErrorClass.TIMEOUT, number=2)
    assert line.endswith("\n")
    assert list(json.loads(line).items()) == [
        ("time", "2023-11-14T22:13:20.123Z"),
        ("level", "warning"),
        ("event", "attempt"),
        ("error", "timeout"),
        ("number", 2),
    ]


@settings(deadline=None)
@given(st.text(st.characters()))
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_text_of_a_stranger_commands_a_terminal(log_format, text):
    """C1 controls, turned directions, line separators and lone surrogates among it."""
    for fields in ({"message": text, "known": {text: [text]}}, {**EVENT, "event_type": text}):
        line = logged(log_format, event="event", **fields)
        assert line.removesuffix("\n").isprintable()


def test_json_keeps_what_was_said():
    told = {"message": "a\x85\x9b\u202e\u2028é\U0001f600\U000e0001", "n": [{"a": 1}]}
    read = json.loads(logged("json", **told, odd="\ud800"))
    assert {name: read[name] for name in told} == told
    assert read["odd"] == "?"


def test_levels():
    stream = io.BytesIO()
    log = make_log("json", level="warning", file=stream)
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("started")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == [
        "warning",
        "error",
    ]


RETRIED = {
    **ATTEMPT,
    "result": "retrying",
    "status_code": 500,
    "error": "http_error",
    "message": "500",
    "due_ms": NOW_MS + 4_980,
}
SENTENCES = {
    "taken": ("event", EVENT, "github issues 202 → crm, audit (1.2 KiB, 3 ms)"),
    "kept": (
        "event",
        {**EVENT, "destinations": [], "event_type": None},
        "github 202 (1.2 KiB, 3 ms)",
    ),
    "refused": (
        "event",
        {"endpoint": "github", "status": 401, "error": "invalid_signature", "source_ip": "::1"}
        | {"body_bytes": 52, "latency_ms": 0.4},
        "github 401 invalid_signature from ::1 (52 B, 0 ms)",
    ),
    "duplicate": (
        "event",
        {**EVENT, "destinations": None, "duplicate": True},
        "github issues 202 (1.2 KiB, 3 ms) duplicate=True",
    ),
    "delivered": ("attempt", ATTEMPT, "github issues → crm 200 (5 ms)"),
    "tried": ("attempt", RETRIED, "github issues → crm 500, retry in 5s (5 ms)"),
    "no answer": (
        "attempt",
        {**RETRIED, "status_code": None, "error": "timeout", "message": "no answer in 30 s"},
        "github issues → crm timeout, no answer in 30 s, retry in 5s (5 ms)",
    ),
    "half an answer": (
        "attempt",
        {**RETRIED, "status_code": 200, "error": "connection_reset"},
        "github issues → crm 200 connection_reset, retry in 5s (5 ms)",
    ),
    "given up": (
        "attempt",
        {**RETRIED, "result": "failed", "number": 7, "due_ms": None},
        "github issues → crm 500, failed for good after 7 (5 ms)",
    ),
    "transformed": (
        "attempt",
        {**ATTEMPT, "transform": "failed: it took too long"},
        'github issues → crm 200 (5 ms) transform="failed: it took too long"',
    ),
    "another": ("storage_fault", {"reason": "full", "port": None}, "storage fault reason=full"),
}


@pytest.mark.parametrize(("event", "fields", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_text_is_a_sentence_with_its_time_first(event, fields, sentence):
    assert logged("text", event=event, **fields) == f"22:13:20.123 {sentence}\n"


@pytest.mark.parametrize(("level", "code"), [("warning", "33"), ("error", "31")])
def test_what_went_wrong_has_its_colour_where_colours_are_wanted(level, code):
    assert f"\x1b[{code}mstarted\x1b[0m\n" in logged(
        "text", level=level, environ={"FORCE_COLOR": "1"}
    )
    assert "\x1b" not in logged("text", level=level)


@pytest.mark.parametrize(
    ("environ", "is_tty", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_who_wants_colours(environ, is_tty, wanted):
    assert wants_colour(environ, is_tty=is_tty) is wanted


def test_what_is_no_sentence_of_its_own_reads_like_one_all_the_same():
    """It read `config message="..."`, and `reason= since_ms=1700000000123` of a lane."""
    assert logged("text", event="config", message="templates.a: no link names it").endswith(
        " config: templates.a: no link names it\n"
    )
    held = {"destination": "crm", "reason": "", "since_ms": NOW_MS, "kind": "paused"}
    assert logged("text", event="lane_held", **held).endswith(
        " lane held destination=crm since=2023-11-14T22:13:20Z kind=paused\n"
    )


def test_waits_are_spelled_to_the_nearest():
    spans = (-1, 300, 4_980, 30_000, 119_900, 900_000, 21_600_000, 172_800_000)
    assert [span(ms) for ms in spans] == ["0s", "0s", "5s", "30s", "2m", "15m", "6h", "2d"]
