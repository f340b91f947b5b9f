"""Templates over real HTTP: what is said, and what goes out when a template cannot be."""

import json
from typing import Any

import pytest
from rig import FakeClock, Sink, StartDaemon
from rig_speaking import OWN_WORDING, speaking

from dispatchd.evaluate.evaluator import Evaluator, Fault
from dispatchd.store.jobs import ReplayQuery

CONFIG = """
endpoints:
  gh: {{auth: none, body: any, event_type_path: action, destinations: [{{to: chat{link}}}]}}
destinations: {{chat: {{url: '{url}', retry: {{jitter: 0}}}}}}
"""
BODY = b'{"action":"opened","issue":{"title":"It *breaks* @everyone"}}'
TITLE = "{{ event_type }} at {{ endpoint }} for {{ destination }}: {{ body.issue.title }}"


async def attempted(
    start_daemon: StartDaemon, sink: Sink, variant: str, tree: Any, *, link: str = ""
) -> tuple[bytes, dict[str, Any]]:
    """Return what arrived of one event, and the log's line on it."""
    daemon = await start_daemon(
        CONFIG.format(url=sink.url, link=link), change=speaking({"t": (variant, tree)}, own="t")
    )
    event_id = await daemon.accepted(BODY, slug="gh", secret=None)
    (line,) = await daemon.log.wait_for("attempt")
    attempt = (await daemon.story(event_id)).attempts[0]
    assert line["template"] == attempt.template
    assert line["result"] == "success"
    return sink.received[0][1], line


async def test_a_message_in_normal_form_is_words(start_daemon: StartDaemon, sink: Sink) -> None:
    said, line = await attempted(start_daemon, sink, "default", {"title": TITLE})
    title = "opened at gh for chat: It *breaks* @everyone"
    assert json.loads(said) == {"title": title}
    assert (line["template"], line["level"]) == ("t: applied", "info")


async def test_a_types_own_terms_are_escaped_for_it(start_daemon: StartDaemon, sink: Sink) -> None:
    tree = {"content": "**{{ body.issue.title }}**", "tts": False}
    said, _ = await attempted(start_daemon, sink, "discord", tree)
    assert json.loads(said) == {"content": r"**It \*breaks\* @" "\u200beveryone**", "tts": False}


async def test_a_template_sees_what_the_transform_made(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    link = ", transform: '{\"t\": issue.title}'"
    said, line = await attempted(
        start_daemon, sink, "default", {"title": "{{ body.t }}{{ body.issue }}"}, link=link
    )
    assert json.loads(said) == {"title": "It *breaks* @everyone"}
    assert line["transform"] == "applied"


FAILING = [
    ("default", {"title": "{{ 1 / 0 }}"}, "title: it divides by zero"),
    ("default", {"title": "{{ body.nope }}"}, "it says nothing"),
    ("discord", {"content": "{{ body.nope }}"}, "it has none of content, embeds, components"),
    ("default", {"title": "{% for i in range(99999) %}{{ i }}{{ i }}{% endfor %}" * 9}, "it used"),
    ("default", {"title": "{{ 'x' * 10 ** 12 }}"}, "it used too much memory"),
]


@pytest.mark.parametrize(("variant", "tree", "why"), FAILING)
async def test_a_template_that_fails_gives_way_to_own_wording_and_says_so(
    start_daemon: StartDaemon, sink: Sink, variant: str, tree: Any, why: str
) -> None:
    said, line = await attempted(start_daemon, sink, variant, tree)
    assert said == OWN_WORDING + BODY
    assert line["template"].startswith(f"t: failed, the destination's own wording sent: {why}")
    assert line["level"] == "warning"


async def test_a_fault_of_ours_is_tried_again_and_says_nothing_meanwhile(
    start_daemon: StartDaemon, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, faults = Evaluator.evaluate, [Fault("no process")]

    async def faulty(self: Evaluator, *args: Any, **kwargs: Any) -> Any:
        return faults.pop() if faults else await evaluate(self, *args, **kwargs)

    monkeypatch.setattr(Evaluator, "evaluate", faulty)
    clock = FakeClock()
    daemon = await start_daemon(
        CONFIG.format(url=sink.url, link=""),
        clock=clock,
        change=speaking({"t": ("default", {"title": TITLE})}, own="t"),
    )
    event_id = await daemon.accepted(BODY, slug="gh", secret=None)
    (line,) = await daemon.log.wait_for("attempt")
    assert (line["error"], line["template"]) == ("evaluator_error", "t: failed: no process")
    assert sink.received == []
    clock.advance(1.0)
    await daemon.log.wait_for("attempt", result="success")
    assert [d.status for d in (await daemon.story(event_id)).deliveries] == ["success"]


async def test_a_body_that_is_no_json_is_text(start_daemon: StartDaemon, sink: Sink) -> None:
    daemon = await start_daemon(
        CONFIG.format(url=sink.url, link=""),
        change=speaking({"t": ("default", {"title": "{{ body }}"})}, own="t"),
    )
    await daemon.accepted(
        b"disk <full>", slug="gh", secret=None, headers={"Content-Type": "text/plain"}
    )
    await sink.wait_for(1)
    assert json.loads(sink.received[0][1]) == {"title": "disk <full>"}


async def test_a_replay_says_it_as_now_or_as_it_was_said(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    async def started(title: str) -> Any:
        change = speaking({"t": ("default", {"title": title})}, own="t")
        return await start_daemon(CONFIG.format(url=sink.url, link=""), change=change)

    daemon = await started("was {{ event_type }}")
    event_id = await daemon.accepted(BODY, slug="gh", secret=None)
    await daemon.log.wait_for("attempt", result="success")
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await started("is {{ event_type }}")
    for number, as_sent in ((2, True), (3, False)):
        await daemon.store.add_job(ReplayQuery([event_id], as_sent=as_sent), None, 0)
        await daemon.log.wait_for("attempt", result="success", number=number)
    assert [json.loads(body)["title"] for _, body in sink.received] == [
        "was opened",
        "was opened",
        "is opened",
    ]
    notes = [attempt.template for attempt in (await daemon.story(event_id)).attempts]
    assert notes == ["t: applied", "as it was said before", "t: applied"]
    # Where the type has changed meanwhile, nothing is sent that it would not take.
    await start_daemon.stop(daemon)  # type: ignore[attr-defined]
    daemon = await start_daemon(CONFIG.format(url=sink.url, link=""))
    await daemon.store.add_job(ReplayQuery([event_id], as_sent=True), None, 0)
    (line,) = await daemon.log.wait_for("attempt", result="success", number=4)
    assert "this type of destination takes no template" in line["template"]
    assert sink.received[3][1] == BODY
