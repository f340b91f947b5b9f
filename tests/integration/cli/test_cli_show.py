"""`dispatchd show` on a real database."""

import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dispatchd.clock import new_id
from dispatchd.model import Delivered, EventStatus

EVIL = "\x1b[2J\x07"


def test_tells_the_whole_story(world):
    event = world.add("crm", "audit")
    world.retry(event, "crm", event.received_ms + 60_000)
    world.deliver(event, "audit")
    ran = world.dispatchd("show", event.id)
    assert ran.code == 0
    for told in (
        event.id,
        "my-slug",
        "opened",
        "192.0.2.1",
        "User-Agent: GitHub-Hookshot",
        '{"action":"opened"}',
        "Delivery to crm: retrying, 1 attempt",
        "connection_refused  12.5 ms",
        "refused",
        "due 2",
        "Delivery to audit: success, 1 attempt",
        "200  12.5 ms",
        "response: thanks",
    ):
        assert told in ran.out
    assert ran.out.count("due ") == 1  # what has ended is due no more


def test_json_tells_it_to_scripts(world):
    event = world.add("crm", received_ms=1_700_000_000_000)
    world.retry(event, "crm", 1_700_000_060_000)
    story = world.dispatchd("show", event.id, "--json").json()
    assert story["body"] == '{"action":"opened"}'
    assert story["received"] == "2023-11-14T22:13:20.000Z"
    assert story["headers"][1] == ["User-Agent", "GitHub-Hookshot"]
    (delivery,) = story["deliveries"]
    assert delivery["status"] == "retrying"
    assert delivery["due"] == "2023-11-14T22:14:20.000Z"
    (attempt,) = delivery["attempts"]
    assert attempt == {
        "number": 1,
        "started": "2023-11-14T22:13:20.001Z",
        "latency_ms": 12.5,
        "status_code": None,
        "error": "connection_refused",
        "message": "refused",
        "transform": None,
        "template": None,
        "response_headers": [["Content-Type", "text/plain"]],
        "response": "",
    }


def test_a_body_that_is_no_text_is_base64_in_json(world):
    body = bytes(range(256)) * 8
    event = world.add(body=body)
    ran = world.dispatchd("show", event.id, "--json")
    assert base64.b64decode(ran.json()["body_base64"]) == body
    assert "body" not in ran.json()


def test_body_alone_goes_to_a_pipe_unchanged(world, process):
    body = b'{"a":"\xc3\xa9"}\r\n\x00\x1b[2J'
    event = world.add(body=body)
    running = process("show", event.id, "--body", "--config", world.config)
    out, err = running.communicate()
    assert (running.returncode, err) == (0, b"")
    assert out == body


def test_a_long_body_is_cut_between_characters(world):
    event = world.add(body=b"x" + "é".encode() * 2000)
    out = world.dispatchd("show", event.id).out
    assert "bytes more; --body prints all" in out
    assert "\\x" not in out


def test_why_it_is_held_or_filtered(world):
    held = world.add("gone")
    world.lanes("gone")
    world.lanes("crm")
    out = world.dispatchd("show", held.id).out
    assert "Delivery to gone: held" in out
    assert "held: not in the config" in out
    dropped = world.add(status=EventStatus.FILTERED, filtered_by="event_types")
    out = world.dispatchd("show", dropped.id).out
    assert "filtered by event_types" in out
    assert "No deliveries." in out


def test_senders_and_destinations_cannot_command_the_terminal(world):
    event = world.add(
        "crm",
        event_type=EVIL,
        headers=((f"X-{EVIL}", EVIL),),
        body=EVIL.encode(),
        content_type=EVIL,
        source_ip=EVIL,
        received_ms=time.time_ns() // 1_000_000,
    )
    world.attempt(event, "crm", Delivered(), response_head=EVIL.encode(), message=EVIL)
    for args in ((), ("--json",)):
        ran = world.dispatchd("show", event.id, *args)
        assert ran.code == 0
        assert all(c.isprintable() or c == "\n" for c in ran.out)


def test_unknown_and_malformed_ids(world):
    world.add()
    unknown = world.dispatchd("show", new_id())
    assert unknown.code == 1
    assert "there is no event" in unknown.err
    assert world.dispatchd("show", "nonsense").code == 2
    assert world.dispatchd("show").code == 2


def test_any_spelling_of_an_id_will_do(world):
    event = world.add()
    assert world.dispatchd("show", event.id.upper()).code == 0
    assert world.dispatchd("show", event.id.replace("-", "")).code == 0


def test_the_beginning_of_an_id_or_the_latest(world):
    old = world.add(id="01a20000-0000-7000-8000-000000000001")
    new = world.add(id="01a2ffff-0000-7000-8000-000000000002")
    last = world.add(id="ffffffff-0000-7000-8000-000000000003")

    def shown(given: str) -> str:
        return world.dispatchd("show", given, "--json").json()["event_id"]

    assert [shown(given) for given in ("01a20", "01A2F", "01a2ffff-0")] == [old.id, new.id, new.id]
    assert shown("f" * 8) == shown("latest") == shown("LATEST") == last.id
    several = world.dispatchd("show", "01a2")
    assert several.code == 2
    assert old.id in several.err
    assert new.id in several.err
    none = world.dispatchd("show", "01a3")
    assert (none.code, "no event's id begins with 01a3" in none.err) == (1, True)


def test_the_latest_of_none(world):
    world.store(lambda store: store.stats(0))
    ran = world.dispatchd("show", "latest")
    assert (ran.code, "there is no event yet" in ran.err) == (1, True)


def test_body_and_json_exclude_each_other(world):
    event = world.add()
    assert world.dispatchd("show", event.id, "--body", "--json").code == 2


def test_a_last_line_that_ended_is_no_empty_line_more(world):
    event = world.add("crm", body=b'{"a":1}\n')
    world.attempt(event, "crm", Delivered(), response_head=b"thanks\n")
    for command in ("show", "explain"):
        lines = world.dispatchd(command, event.id).out.split("\n")
        assert not [line for line in lines if line and not line.strip()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_output_into_a_full_disk_is_a_sentence_and_no_traceback(world):
    event = world.add("crm")
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "dispatchd", "show", event.id, "--config", str(world.config)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr == ("dispatchd: cannot write: No space left on device\n")
