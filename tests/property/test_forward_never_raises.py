"""Whatever a sender puts into its headers, a request that forwards them can be sent."""

import re

from hypothesis import given
from hypothesis import strategies as st
from nouns import NOW_MS, an_event

from dispatchd.compose import NEVER
from dispatchd.config import parse
from dispatchd.model import Delivery, DeliveryStatus
from dispatchd.plan.compiling import compile_plan

DELIVERY = Delivery("e", "crm", DeliveryStatus.QUEUED, 0, 0, 0, NOW_MS)
CONFIG = parse(
    "destinations: {crm: {url: 'http://x/', forward_headers: ['*', X-Hub-Signature-256],"
    " signing: {header: X-Sig, timestamp_header: X-Time, template: '{timestamp}{body}'},"
    " signing_secret: s}}",
    environ={},
)
[SPEC] = compile_plan(CONFIG).lanes.values()
OURS = ("X-Dispatch-Event-ID", "X-Dispatch-Endpoint", "X-Dispatch-Attempt", "X-Sig", "X-Time")
NAMES = st.sampled_from(
    ["X-A", "x-b", "Connection", "Content-Type", "X-Hub-Signature-256", *OURS, *sorted(NEVER)]
) | st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)
VALUES = st.text(max_size=20) | st.binary(max_size=20).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=8).map(tuple)


@given(HEADERS, HEADERS, st.binary(max_size=10))
def test_it(
    headers: tuple[tuple[str, str], ...], proofs: tuple[tuple[str, str], ...], body: bytes
) -> None:
    event = an_event(headers=headers, forward_headers=proofs, body=body)
    plain = SPEC.courier.compose(
        an_event(id=event.id, headers=(), body=body), DELIVERY, None, NOW_MS
    )
    request = SPEC.courier.compose(event, DELIVERY, None, NOW_MS)
    sent = list(request.headers.items())
    for _, value in sent:
        value.encode()
        assert not re.search(r"[\0\r\n]", value)
    names = [name.lower() for name, _ in sent]
    for name in OURS:
        assert names.count(name.lower()) == 1
        assert request.headers[name] == plain.headers[name]
    assert not NEVER.difference({"content-type", "content-encoding", "accept-encoding"}) & {*names}
    assert names.count("content-type") == 1
