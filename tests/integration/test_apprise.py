"""Apprise, in a process of its own: what it is given, what became of it, and what is not kept."""

import json

from rig import BODY, SECRET, Sink, StartDaemon, always

from dispatchd.model import ErrorClass, Failure, Notice
from dispatchd.send import apprise

SEKRIT = "Sekrit-Token1"


def config(*urls: str) -> str:
    return f"""
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [services]}}
destinations:
  services: {{type: apprise, urls: {json.dumps(urls)}}}
"""


def url_of(sink: Sink) -> str:
    return sink.url.replace("http://", "json://") + SEKRIT


async def test_a_service_is_notified(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(config(url_of(sink)))
    await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="success", status_code=0)
    (_, body) = sink.received[0]
    told = json.loads(body)
    assert (told["title"], told["type"]) == ("Opened at my-slug", "info")
    assert "N: 1" in told["message"]


async def test_a_service_that_refuses_fails_the_attempt_and_leaves_no_secret(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    sink.answer = always(500)
    daemon = await start_daemon(config(url_of(sink)))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="rejected", status_code=1)
    (attempt,) = (await daemon.story(event_id)).attempts
    assert b"500" in attempt.response_head
    assert SEKRIT not in repr(attempt) + repr(daemon.log.lines)


async def test_a_url_that_apprise_does_not_know_is_a_failure(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await start_daemon(config(f"nothing://{SEKRIT}"))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="rejected")
    assert SEKRIT not in repr((await daemon.story(event_id)).attempts)


async def test_its_process_is_ended_when_the_time_is_over() -> None:
    outcome = await apprise.send(Notice(("json://127.0.0.1:9/",), "t", "b", "info", 0.01))
    assert isinstance(outcome, Failure)
    assert outcome.error is ErrorClass.TIMEOUT
