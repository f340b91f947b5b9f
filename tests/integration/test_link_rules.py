"""Rules over real HTTP: the first that matches decides, is recorded, and holds for retries."""

import json
from typing import Any

import pytest
from rig import Daemon, FakeClock, Sink, StartDaemon, failing_first
from rig_speaking import speaking

from dispatchd.evaluate.evaluator import Evaluator, Fault
from dispatchd.store.jobs import ReplayQuery

CONFIG = """
endpoints:
  gh:
    auth: none
    event_type_path: type
    destinations:
      - to: chat
        transform: '"own"'
        on_transform_error: fail
        rules:
          - {{name: bots, filter: 'body.by.type = "Bot"', skip: true}}
          - {{event_types: push, filter: {{body.ref: main}}, transform: '"deploy"'}}
          - {{event_types: [push, "issue*"], filter: '{expression}', transform: '"jsonata"'}}
          - {{name: plain, event_types: ping}}
      - {{to: audit, event_types: [push]}}
destinations:
  chat: {{url: '{chat}', retry: {{jitter: 0}}}}
  audit: {{url: '{audit}'}}
"""


async def started(start_daemon: StartDaemon, sink: Sink, **kwargs: Any) -> Daemon:
    expression = kwargs.pop("expression", "body.n > 1")
    text = CONFIG.format(chat=sink.url, audit=f"{sink.url}audit", expression=expression)
    return await start_daemon(text, **kwargs)


CASES = [
    ({"type": "push", "ref": "main", "n": 5}, '"deploy"', "2"),
    ({"type": "push", "ref": "dev", "n": 5}, '"jsonata"', "3"),
    ({"type": "issues", "n": 5}, '"jsonata"', "3"),
    ({"type": "issues", "n": 1}, '"own"', None),
    ({"type": "ping"}, None, "plain"),
    ({"type": "other"}, '"own"', None),
]


@pytest.mark.parametrize(("body", "sent", "rule"), CASES)
async def test_the_first_rule_that_matches_decides_and_is_kept(
    start_daemon: StartDaemon, sink: Sink, body: Any, sent: str | None, rule: str | None
) -> None:
    daemon = await started(start_daemon, sink)
    raw = json.dumps(body).encode()
    event_id = await daemon.accepted(raw, slug="gh", secret=None)
    (line,) = await daemon.log.wait_for("attempt", destination="chat")
    story = await daemon.story(event_id)
    assert {d.destination: d.rule for d in story.deliveries}["chat"] == rule
    assert line.get("rule") == rule
    expected = [raw if sent is None else sent.encode()] + ([raw] if body["type"] == "push" else [])
    await sink.wait_for(len(expected))
    assert sorted(body for _, body in sink.received) == sorted(expected)
    assert "notes" not in daemon.log.of("event")[0]


async def test_a_rule_that_skips_makes_no_delivery(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await started(start_daemon, sink)
    bot = {"by": {"type": "Bot"}}
    other = json.dumps({**bot, "type": "push"}).encode()
    event_id = await daemon.accepted(other, slug="gh", secret=None)
    await daemon.log.wait_for("attempt", destination="audit")
    assert [d.destination for d in (await daemon.story(event_id)).deliveries] == ["audit"]
    alone = json.dumps({**bot, "type": "ping"}).encode()
    event = (await daemon.story(await daemon.accepted(alone, slug="gh", secret=None))).event
    assert (event.status, event.filtered_by) == ("filtered", "chat: rule bots, audit: event_types")


@pytest.mark.parametrize("expression", ['$error("no")', "body.nope > 1", '"text"'])
async def test_a_rule_whose_filter_fails_does_not_match_and_says_so(
    start_daemon: StartDaemon, sink: Sink, expression: str
) -> None:
    daemon = await started(start_daemon, sink, expression=expression)
    await daemon.accepted(b'{"type":"issues"}', slug="gh", secret=None)
    await sink.wait_for(1)
    assert sink.received[0][1] == b'"own"'
    (note,) = daemon.log.of("event")[0]["notes"]
    assert note.startswith("rule 3 of the link to chat failed: ")


async def test_retries_go_by_the_rule_that_was_recorded(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    clock, sink.answer = FakeClock(), failing_first(1)
    daemon = await started(start_daemon, sink, clock=clock)
    event_id = await daemon.accepted(b'{"type":"issues","n":5}', slug="gh", secret=None)
    await daemon.log.wait_for("attempt")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    # It would not match any more; what was judged at receipt still holds.
    daemon = await started(start_daemon, sink, clock=clock, expression="body.n > 100")
    clock.advance(1.0)
    await daemon.log.wait_for("attempt", result="success")
    assert [body for _, body in sink.received] == [b'"jsonata"', b'"jsonata"']
    assert [d.rule for d in (await daemon.story(event_id)).deliveries] == ["3"]


async def replayed(daemon: Daemon, event_id: str, number: int, **query: Any) -> str | None:
    await daemon.store.add_job(ReplayQuery([event_id], **query), None, 0)
    await daemon.log.wait_for("attempt", result="success", number=number)
    return (await daemon.story(event_id)).deliveries[0].rule


async def test_a_replay_asks_the_rules_afresh_but_never_skips(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    daemon = await started(start_daemon, sink)
    event_id = await daemon.accepted(b'{"type":"issues","n":5}', slug="gh", secret=None)
    await daemon.log.wait_for("attempt", result="success")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await started(start_daemon, sink, expression="body.n > 100")
    assert await replayed(daemon, event_id, 2) is None
    assert sink.received[-1][1] == b'"own"'
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    text = CONFIG.format(chat=sink.url, audit=sink.url, expression="true")
    daemon = await start_daemon(text.replace('body.by.type = "Bot"', "true"))
    assert await replayed(daemon, event_id, 3) == "3"
    assert sink.received[-1][1] == b'"jsonata"'
    assert await replayed(daemon, event_id, 4, as_sent=True) == "3"


async def test_a_fault_of_ours_while_rules_are_asked_again_is_tried_again(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    daemon = await started(start_daemon, sink, clock=clock)
    event_id = await daemon.accepted(b'{"type":"issues","n":5}', slug="gh", secret=None)
    await daemon.log.wait_for("attempt", result="success")
    evaluate, faults = Evaluator.evaluate, [Fault("no process")]

    async def faulty(self: Evaluator, *args: Any, **kwargs: Any) -> Any:
        return faults.pop() if faults else await evaluate(self, *args, **kwargs)

    monkeypatch.setattr(Evaluator, "evaluate", faulty)
    await daemon.store.add_job(ReplayQuery([event_id]), None, clock.now_ms())
    await daemon.pass_until(clock, lambda: daemon.log.of("attempt", number=3))
    (line,) = daemon.log.of("attempt", number=2)
    assert (line["error"], line["rule"]) == ("evaluator_error", "3")
    (line,) = daemon.log.of("attempt", number=3)
    assert (line["result"], line["rule"]) == ("success", "3")


async def test_a_rule_chooses_the_template(start_daemon: StartDaemon, sink: Sink) -> None:
    templates = {
        "own": ("default", {"title": "own {{ body }}"}),
        "plain": ("default", {"title": "by rule {{ body.type }}"}),
    }
    daemon = await started(start_daemon, sink, change=speaking(templates, own="own"))
    await daemon.accepted(b'{"type":"ping"}', slug="gh", secret=None)
    await sink.wait_for(1)
    await daemon.accepted(b'{"type":"other"}', slug="gh", secret=None)
    await sink.wait_for(2)
    titles = [json.loads(body)["title"] for _, body in sink.received]
    assert titles == ["by rule ping", "own own"]


async def test_a_large_body_is_asked_by_rules_too(start_daemon: StartDaemon, sink: Sink) -> None:
    """What reads it keeps only what its endpoint asks by: rules ask, too."""
    daemon = await started(start_daemon, sink, expression="$count(body.list) > 9")
    body = {"type": "push", "ref": "main", "list": [[{}]] * 400_000}
    event_id = await daemon.accepted(json.dumps(body).encode(), slug="gh", secret=None)
    await daemon.log.wait_for("attempt", destination="chat")
    rules = {d.destination: d.rule for d in (await daemon.story(event_id)).deliveries}
    assert rules["chat"] == "2"
