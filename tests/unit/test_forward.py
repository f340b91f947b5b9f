"""`forward_headers`: which of a sender's headers go along, and which never do."""

import pytest
from nouns import NOW_MS, an_event

from dispatchd.config import parse
from dispatchd.model import Delivery, DeliveryStatus
from dispatchd.plan.compiling import compile_plan

DELIVERY = Delivery("e", "crm", DeliveryStatus.QUEUED, 0, 0, 0, NOW_MS)
SENT = (
    ("Host", "hooks.example.com"),
    ("User-Agent", "GitHub-Hookshot/044aadd"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip"),
    ("Connection", "keep-alive, X-Hop"),
    ("Content-Type", "application/json"),
    ("Content-Length", "7"),
    ("Transfer-Encoding", "chunked"),
    ("TE", "trailers"),
    ("Upgrade", "h2c"),
    ("Proxy-Connection", "keep-alive"),
    ("X-Hop", "of this connection"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9"),
    ("Via", "1.1 proxy"),
    ("X-GitHub-Event", "issues"),
    ("x-github-delivery", "72d3162e"),
    ("X-Twice", "a"),
    ("X-Twice", "b"),
    ("X-Dispatch-Event-ID", "made up"),
    ("X-Dispatch-Attempt", "99"),
    ("X-Dispatch-Anything", "made up"),
    ("X-Own", "the sender's"),
)
PROOFS = (("X-Hub-Signature-256", "sha256=aa"), ("Authorization", "Bearer dsp_x"))


def forwarded(names: str, *, extra: str = "", **event: object) -> list[tuple[str, str]]:
    """Return what the sender's own headers add to a request."""
    fields = {"headers": SENT, "forward_headers": PROOFS, "content_type": "text/x", **event}

    def lines(options: str) -> list[tuple[str, str]]:
        config = parse(f"destinations: {{crm: {{url: 'http://x/', {extra}{options}}}}}", environ={})
        [spec] = list(compile_plan(config).lanes.values())
        request = spec.courier.compose(an_event(id="e", **fields), DELIVERY, None, NOW_MS)
        return list(request.headers.items())

    plain = lines("")
    return [line for line in lines(f"forward_headers: {names}") if line not in plain]


def test_names_and_values_go_as_they_came() -> None:
    assert forwarded("[x-github-*, X-Twice]") == [
        ("X-GitHub-Event", "issues"),
        ("x-github-delivery", "72d3162e"),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
    ]


def test_a_single_name_needs_no_list() -> None:
    assert forwarded("X-GITHUB-EVENT") == [("X-GitHub-Event", "issues")]


def test_a_glob_for_everything_leaves_what_is_not_the_senders_to_say() -> None:
    assert {name for name, _ in forwarded("['*']")} == {
        "Accept", "X-GitHub-Event", "x-github-delivery", "X-Twice", "X-Own",
    }  # fmt: skip


def test_what_tells_of_the_way_here_goes_in_full_alone() -> None:
    names = "[X-Forwarded-For, Forwarded, Via, X-Dispatch-Anything, User-Agent]"
    assert [name for name, _ in forwarded(names)] == [
        "User-Agent", "X-Forwarded-For", "Forwarded", "Via", "X-Dispatch-Anything",
    ]  # fmt: skip


def test_the_senders_user_agent_stands_in_place_of_ours() -> None:
    config = parse("destinations: {c: {url: 'http://x/', forward_headers: User-Agent}}", environ={})
    [spec] = list(compile_plan(config).lanes.values())
    request = spec.courier.compose(an_event(headers=SENT), DELIVERY, None, NOW_MS)
    assert [v for n, v in request.headers.items() if n == "User-Agent"] == [
        "GitHub-Hookshot/044aadd"
    ]


def test_neither_ours_nor_the_destinations_own_are_overridden() -> None:
    extra = "headers: {x-own: the operator's, User-Agent: mine}, "
    names = "['*', X-Own, X-Dispatch-Event-ID, X-Dispatch-Attempt, User-Agent]"
    found = {name.lower() for name, _ in forwarded(names, extra=extra)}
    assert not found & {"x-own", "x-dispatch-event-id", "x-dispatch-attempt", "user-agent"}


def test_what_a_connection_lists_ends_with_it() -> None:
    assert forwarded("[X-Hop, X-Own]") == [("X-Own", "the sender's")]


def test_a_proof_goes_only_when_it_is_named_in_full() -> None:
    assert forwarded("['X-Hub-*', 'x-hub-signature-25?', 'Auth*']") == []
    assert forwarded("x-hub-signature-256") == [PROOFS[0]]
    assert forwarded("[AUTHORIZATION, X-Hub-Signature-256]") == list(PROOFS)


def test_a_glob_passes_over_a_proof_that_an_older_version_kept() -> None:
    assert forwarded("['X-*']", headers=(("X-Acme-Token", "t"), ("X-Acme", "1"))) == [
        ("X-Acme", "1")
    ]


@pytest.mark.parametrize(
    ("value", "sent"),
    [("Zoë", ["Zoë"]), ("caf\udce9", ["caf?"]), ("a\tb", ["a\tb"]), ("a\x01b", []), ("", [""])],
)
def test_a_value_can_always_be_sent(value: str, sent: list[str]) -> None:
    assert [v for _, v in forwarded("X-A", headers=(("X-A", value),))] == sent


def test_a_prefix_of_ones_own_is_ours_alone() -> None:
    config = parse(
        "header_prefix: acme\ndestinations: {c: {url: 'http://x/', forward_headers: ['X-*']}}",
        environ={},
    )
    [spec] = list(compile_plan(config).lanes.values())
    headers = (("X-Acme-Event-ID", "made up"), ("X-Dispatch-Event-ID", "anybody's"))
    request = spec.courier.compose(an_event(headers=headers), DELIVERY, None, NOW_MS)
    assert "made up" not in dict(request.headers).values()
    assert request.headers["X-Dispatch-Event-ID"] == "anybody's"
