"""The trace that an event is part of: W3C Trace Context, read from its headers. Pure.

https://www.w3.org/TR/trace-context-2/ . Nothing of it is kept beside the headers: the ids of our
own spans follow from the event's id, so whoever makes an attempt, days later or after a restart,
names the same ones as whoever received the event.
"""

import re
from collections.abc import Collection
from hashlib import blake2b
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
SAMPLED: Final = 0x01
RANDOM: Final = 0x02  # the sender's trace id is: it must be told on
MEMBERS_MAX: Final = 32  # of a tracestate, section 3.3.1.1
_PARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x20-\x7e]*)?"
)
_KEY: Final = r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
_MEMBER: Final = re.compile(
    _KEY + r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)

Headers = Collection[tuple[str, str]]


class TraceContext(NamedTuple):
    """A place in a trace: `trace_id` of 32 and `span_id` of 16 hex digits, flags of a byte.

    `state` is the sender's tracestate, empty where there is none.
    """

    trace_id: str
    span_id: str
    flags: int
    state: str = ""

    @property
    def sampled(self) -> bool:
        """Whether its trace is recorded."""
        return bool(self.flags & SAMPLED)

    def traceparent(self) -> str:
        """Return it as the header says it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def trace_headers(headers: Headers) -> list[tuple[str, str]]:
    """Return the headers that say of which trace a request is, as they came."""
    return [
        (low, value)
        for name, value in headers
        # Neither word is as long as many others: most headers are told apart by their length.
        if len(name) in (10, 11) and (low := name.lower()) in (TRACEPARENT, TRACESTATE)
    ]


def continued(headers: Headers) -> list[tuple[str, str]]:
    """Return what passes a sender's trace on to a destination, as it came.

    By W3C one that is not valid is none.
    """
    for name, _ in headers:  # each attempt comes through here, and hardly any has one
        if len(name) == len(TRACEPARENT) and name.lower() == TRACEPARENT:
            break
    else:
        return []
    found = trace_headers(headers)
    context = sender_context(found)
    if context is None:
        return []
    parent = next(value.strip(" \t") for name, value in found if name == TRACEPARENT)
    return _pair(parent, context.state)


def sender_context(headers: Headers) -> TraceContext | None:
    """Return the sender's place in its trace; None where it says none, or none that is valid."""
    parents: list[str] = []
    states: list[str] = []
    for name, value in trace_headers(headers):
        (parents if name == TRACEPARENT else states).append(value)
    if len(parents) != 1:  # of two, neither can be believed
        return None
    found = _PARENT.fullmatch(parents[0].strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if (
        version == "ff"
        or (version == "00" and more)
        or not int(trace_id, 16)
        or not int(span_id, 16)
    ):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & (SAMPLED | RANDOM), _state(states))


def received(event_id: str, headers: Headers, sample: float) -> TraceContext:
    """Return the place of an event's receipt: in its sender's trace, else in one of its own.

    The sender says whether its trace is recorded; of our own the share `sample` (0 to 1) is.
    """
    digest = blake2b(event_id.encode(), digest_size=24, person=b"dispatchd trace").hexdigest()
    span_id = digest[32:]
    sender = sender_context(headers)
    if sender is not None:
        return sender._replace(span_id=span_id)
    trace_id = digest[:32]
    # As OpenTelemetry's TraceIdRatioBased does it: by the lower half of the id.
    recorded = int(trace_id[16:], 16) < round(sample * 2**64)
    return TraceContext(trace_id, span_id, SAMPLED if recorded else 0)


def attempted(
    event_id: str, headers: Headers, sample: float, destination: str, number: int
) -> TraceContext:
    """Return the place of attempt `number` at a destination, which is what it sends along."""
    what = f"{event_id}/{number}/{destination}".encode()
    span_id = blake2b(what, digest_size=8, person=b"dispatchd span").hexdigest()
    return received(event_id, headers, sample)._replace(span_id=span_id)


def spoken(context: TraceContext) -> list[tuple[str, str]]:
    """Return the headers that tell a destination of a place in a trace."""
    return _pair(context.traceparent(), context.state)


def _pair(parent: str, state: str) -> list[tuple[str, str]]:
    return [(TRACEPARENT, parent)] + ([(TRACESTATE, state)] if state else [])


def _state(values: list[str]) -> str:
    """Return a tracestate in one line; empty where any of it cannot be read (section 3.3.1)."""
    members = [
        member for value in values for part in value.split(",") if (member := part.strip(" \t"))
    ]
    keys = {member.partition("=")[0] for member in members}
    if len(members) > MEMBERS_MAX or len(keys) < len(members):
        return ""
    return ",".join(members) if all(map(_MEMBER.fullmatch, members)) else ""
