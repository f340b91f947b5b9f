"""The webhook courier: what is sent, and what an answer means."""

import pytest
from nouns import NOW_MS, an_event

from dispatchd.compose import WebhookCourier, judge_http
from dispatchd.model import (
    Delivered,
    Delivery,
    DeliveryStatus,
    ErrorClass,
    Failed,
    Failure,
    Judged,
    Outcome,
    Reply,
    Whose,
)

DELIVERY = Delivery("e", "crm", DeliveryStatus.QUEUED, 2, 0, 0, NOW_MS)


def reply(status: int, retry_after: str | None = None) -> Reply:
    return Reply(status, (), b"", 1.0, retry_after)


def composed(content: bytes | None = None, own: dict[str, str] | None = None, **event: object):
    courier = WebhookCourier("http://x/", own or {}, 30.0, "Dispatch")
    return courier.compose(an_event(**event), DELIVERY, content, NOW_MS)


@pytest.mark.parametrize(
    ("outcome", "judged"),
    [
        (reply(200), Delivered()),
        (reply(299), Delivered()),
        (reply(199), Failed(ErrorClass.HTTP)),
        (reply(300), Failed(ErrorClass.REDIRECT)),
        (reply(399), Failed(ErrorClass.REDIRECT)),
        (reply(404), Failed(ErrorClass.HTTP)),
        (reply(410), Failed(ErrorClass.HTTP, gone=True)),
        (reply(503, "1.5"), Failed(ErrorClass.HTTP, retry_after_ms=2000, throttled=True)),
        (reply(429), Failed(ErrorClass.HTTP, throttled=True)),
        (reply(500, "1.5"), Failed(ErrorClass.HTTP, retry_after_ms=2000)),
        (Failure(ErrorClass.DNS, "", 0.0), Failed(ErrorClass.DNS)),
        (Failure(ErrorClass.RESET, "", 0.0, 200), Failed(ErrorClass.RESET)),
        (Failure(ErrorClass.INTERNAL, "", 0.0), Failed(ErrorClass.INTERNAL, Whose.OURS)),
    ],
)
def test_judgements(outcome: Outcome, judged: Judged) -> None:
    assert judge_http(outcome, NOW_MS) == judged


def test_what_a_destination_is_told() -> None:
    event = an_event(event_type="issues")
    request = WebhookCourier("http://x/", {}, 30.0, "Acme-Hooks").compose(
        event, DELIVERY, None, NOW_MS
    )
    headers = dict(request.headers)
    assert headers["X-Acme-Hooks-Event-ID"] == event.id
    assert headers["X-Acme-Hooks-Endpoint-ID"] == event.endpoint_id
    assert headers["X-Acme-Hooks-Endpoint"] == event.endpoint
    assert headers["X-Acme-Hooks-Event-Type"] == "issues"
    assert headers["X-Acme-Hooks-Attempt"] == "3"
    assert "X-Kept" not in headers


def test_an_event_without_a_type_has_no_header_for_it() -> None:
    assert "X-Dispatch-Event-Type" not in composed(event_type=None).headers


@pytest.mark.parametrize(
    ("event_type", "header"),
    [
        ("a b/c%d", "a b/c%d"),
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil: 1"),
        ("é\x7f", "%C3%A9%7F"),
    ],
)
def test_a_type_chosen_by_a_sender_breaks_out_of_no_header(event_type: str, header: str) -> None:
    assert composed(event_type=event_type).headers["X-Dispatch-Event-Type"] == header


def test_the_operators_own_headers_win_in_any_case() -> None:
    own = {"user-agent": "mine", "CONTENT-TYPE": "text/x", "x-dispatch-attempt": "none"}
    headers = composed(own=own).headers
    assert headers["User-Agent"] == "mine"
    assert headers.getall("Content-Type") == ["text/x"]  # type: ignore[attr-defined]
    assert headers.getall("X-Dispatch-Attempt") == ["none"]  # type: ignore[attr-defined]


def test_every_line_of_content_encoding_goes_along_with_the_body_as_it_came() -> None:
    lines = (("Content-Encoding", "gzip"), ("X-A", "1"), ("content-encoding", "br"))
    headers = composed(headers=lines).headers
    assert headers.getall("Content-Encoding") == ["gzip", "br"]  # type: ignore[attr-defined]
    assert "Content-Encoding" not in composed(b"{}", headers=lines).headers


def test_content_is_sent_in_place_of_the_body_as_json() -> None:
    request = composed(b'{"a":1}', content_type="text/plain")
    assert (request.body, request.headers["Content-Type"]) == (b'{"a":1}', "application/json")
    assert composed(content_type="text/plain").headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(("value", "sent"), [("gz\udce9", ["gz?"]), ("gz\x00", []), ("br", ["br"])])
def test_a_content_encoding_that_cannot_be_sent_stops_no_delivery(
    value: str, sent: list[str]
) -> None:
    headers = composed(headers=(("Content-Encoding", value),)).headers
    assert [text for name, text in headers.items() if name == "Content-Encoding"] == sent
