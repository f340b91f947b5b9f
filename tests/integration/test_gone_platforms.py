"""What a platform says when it wants no more, and what a transform makes of a message."""

import pytest
from rig import BODY, SECRET, Sink, StartDaemon, always


def config(sink: Sink, destination: str, link: str = "team") -> str:
    return f"""
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [{link}]}}
destinations:
  team: {destination.replace("URL", sink.url)}
"""


@pytest.mark.parametrize(
    ("destination", "status", "said"),
    [
        ("{type: discord, url: 'URLapi/webhooks/1/abc'}", 404, '{"code":10015}'),
        ("{type: slack, url: 'URLservices/T/B/x'}", 404, "no_service"),
    ],
)
async def test_a_webhook_that_was_deleted_holds_its_lane_and_loses_nothing(
    start_daemon: StartDaemon, sink: Sink, destination: str, status: int, said: str
) -> None:
    sink.answer = always(status, text=said)
    daemon = await start_daemon(config(sink, destination))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("lane_held", kind="gone", reason="it said that it is gone")
    (delivery,) = (await daemon.story(event_id)).deliveries
    assert delivery.status not in ("failed", "success")


async def test_no_is_no_with_a_200(start_daemon: StartDaemon, sink: Sink) -> None:
    sink.answer = always(200, text='{"ok":false,"error":"not_in_channel"}')
    daemon = await start_daemon(
        config(sink, "{type: slack, token: xoxb-1, channel: C1, api_url: 'URL'}")
    )
    event_id = await daemon.accepted(BODY)
    (line,) = await daemon.log.wait_for("attempt", result="retrying")
    assert (line["error"], line["status_code"]) == ("rejected", 200)
    (attempt,) = (await daemon.story(event_id)).attempts
    assert b"not_in_channel" in attempt.response_head


async def test_a_transforms_result_is_what_is_worded(start_daemon: StartDaemon, sink: Sink) -> None:
    transform = '{"title": "It was " & action, "url": "https://example.com/x", "Number": n}'
    link = f"{{to: team, transform: '{transform}'}}"
    daemon = await start_daemon(config(sink, "{type: gotify, url: 'URL', token: abcdef123}", link))
    await daemon.accepted(BODY)
    await sink.wait_for(1)
    said = sink.received[0][1]
    for text in (b'"title":"It was opened"', b"https://example.com/x", b"Number: 1"):
        assert text in said
