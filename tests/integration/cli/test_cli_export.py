"""`dispatchd export`, and `send --from` to a daemon: every event, whole, in order, and once."""

import json
import sqlite3

import pytest
from promised import promised

from dispatchd.model import EventStatus

OTHER = """\
server: {{listen: "127.0.0.1:0"}}
storage: {{url: "sqlite:///{database}"}}
endpoints:
  my-slug: {{secret: a-signing-secret, body: any, idempotency: {{header: Idempotency-Key}}}}
  github: {{provider: github, secret: hub, body: any}}
  svix: {{provider: svix, secret: whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}}
"""
MINE = """\
storage: {{url: "sqlite:///{database}"}}
endpoints:
  my-slug: {{secret: a-signing-secret}}
  github: {{provider: github, secret: hub}}
  svix: {{provider: svix, secret: whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}}
  gone: {{secret: x}}
"""


def lines(world, *args):
    ran = world.dispatchd("export", *args)
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def test_events_come_whole_and_the_oldest_first(world):
    odd = b"\xff\x00\x1b[2J"
    first = world.add("crm", received_ms=2_000_000_000_000, body=b'{"a": "\\u00e9\xc3\xa9"}')
    second = world.add(received_ms=1_000_000_000_000, body=odd)
    told = lines(world)
    assert [one["event_id"] for one in told] == [first.id, second.id]  # as they were kept
    assert told[0]["body"].encode() == first.body
    assert told[0]["headers"] == [list(pair) for pair in first.headers]
    assert told[1]["body_base64"] == "/wAbWzJK"
    whole = world.dispatchd("show", first.id, "--json").json()
    del whole["deliveries"]
    assert told[0] == whole


def test_no_proof_of_a_sender_is_in_it(world):
    proof = (("X-Hub-Signature-256", "sha256=abcdef"),)
    world.add(forward_headers=proof)
    out = world.dispatchd("export").out
    assert "abcdef" not in out
    assert "X-Hub-Signature" not in out


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("--endpoint", "keyed"), [1]),
        (("--destination", "crm"), [0]),
        (("--event-type", "closed"), [2]),
        (("--status", "filtered"), [3]),
        (("--delivery", "queued"), [0]),
        (("--search", "needle"), [2]),
        (("--since", "1h"), [0, 1, 2, 3]),
        (("--until", "1h"), []),
    ],
)
def test_the_filters_are_those_of_events(world, args, found):
    ids = [
        world.add("crm").id,
        world.add(endpoint="keyed").id,
        world.add(event_type="closed", body=b'{"n":"needle"}').id,
        world.add(status=EventStatus.FILTERED, filtered_by="filter").id,
    ]
    assert [one["event_id"] for one in lines(world, *args)] == [ids[n] for n in found]


def test_a_slip_is_no_empty_export(world):
    world.add("crm")
    ran = world.dispatchd("export", "--endpoint", "my-slgu")
    assert (ran.code, "did you mean 'my-slug'?" in ran.err) == (2, True)


@pytest.fixture
def other(world, process):
    """Another daemon, and a way to what it has."""
    directory = world.directory / "other"
    directory.mkdir()
    config, database = directory / "config.yaml", directory / "events.db"
    config.write_text(OTHER.format(database=database))
    world.config.write_text(MINE.format(database=world.database))
    running = process("serve", "--config", config, "--log-format", "json")
    for line in running.stderr:
        told = json.loads(line)
        if told["event"] == "started":
            break

    class Other:
        url = f"http://127.0.0.1:{told['port']}"

        def events(self):
            with sqlite3.connect(database) as connection:
                sql = "SELECT endpoint, event_type, body, headers FROM events ORDER BY seq"
                return connection.execute(sql).fetchall()

        def stop(self):
            running.terminate()
            running.wait()

    return Other()


def exported(world):
    file = world.directory / "events.jsonl"
    file.write_text(world.dispatchd("export").out)
    return file


def history(world):
    """Events of three senders, one of them with ids of its own."""
    hub = (("Content-Type", "text/x-odd"), ("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "d1"))
    ids = (("Content-Type", "application/json"), ("webhook-id", "msg_1"), ("Host", "old"))
    return [
        world.add(body=b'{ "action":\t"opened" }'),
        world.add(endpoint="github", body=b"\xff\x00", headers=hub, content_type="text/x-odd"),
        world.add(endpoint="svix", body=b'{"type":"a.b"}', headers=ids),
        world.add(endpoint="dispatchd:alerts"),
        world.add(body=b'{"action":"closed"}'),
    ]


def test_they_arrive_whole_and_in_order(world, other):
    events = history(world)
    file = exported(world)
    ran = world.dispatchd("send", "--from", file, "--url", other.url + "/")
    assert (ran.code, ran.out) == (0, "Sent 4 events, 1 skipped.\n")
    came = other.events()
    sent = [event for event in events if event.endpoint != "dispatchd:alerts"]
    assert [row[0] for row in came] == [event.endpoint for event in sent]
    assert [row[2] for row in came] == [event.body for event in sent]
    assert [row[1] for row in came][1:3] == ["push", "a.b"]
    headers = dict(json.loads(came[1][3]))
    assert headers["Content-Type"] == "text/x-odd"
    assert headers["X-GitHub-Delivery"] == "d1"


def test_again_nothing_is_taken_twice(world, other):
    history(world)
    file = exported(world)
    for _ in range(2):
        ran = world.dispatchd("send", "--from", file, "--url", other.url, "--json")
    # A provider's duplicate is answered as its first: only the others' are known for what they are.
    told = ran.json()
    assert promised("send", told, 1)
    assert (told["sent"], told["known"], told["ok"]) == (2, 2, True)
    assert len(other.events()) == 4


def test_all_to_one_endpoint(world, other):
    world.add(endpoint="gone")
    url = f"{other.url}/hooks/my-slug"
    ran = world.dispatchd("send", "my-slug", "--from", exported(world), "--url", url)
    assert (ran.code, ran.out) == (0, "Sent 1 event.\n")
    assert [row[0] for row in other.events()] == ["my-slug"]


def test_it_stops_where_one_is_not_taken_and_goes_on_behind_another(world, other):
    first, bad, last = world.add(), world.add(endpoint="gone"), world.add()
    file = exported(world)
    ran = world.dispatchd("send", "--from", file, "--url", other.url)
    assert (ran.code, ran.out) == (1, "Sent 1 event.\n")
    assert f"stopped at {bad.id} to gone: 404" in ran.err
    assert f"go on with --after {first.id}" in ran.err
    ran = world.dispatchd("send", "--from", file, "--url", other.url, "--after", bad.id)
    assert (ran.code, ran.out) == (0, "Sent 1 event, 2 skipped.\n")
    assert len(other.events()) == 2
    assert last.id in str(other.events()[1])
    ran = world.dispatchd("send", "--from", file, "--url", other.url, "--after", "nothing")
    assert (ran.code, "there is no event nothing in" in ran.err) == (1, True)


def test_a_daemon_that_goes_away_says_how_far_it_came(world, other):
    world.add()
    file = exported(world)
    other.stop()
    ran = world.dispatchd("send", "--from", file, "--url", other.url, "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == {"sent": 0, "known": 0, "skipped": 0, "last": None, "ok": False}
    assert "cannot connect" in ran.err


def test_a_line_that_is_no_event_is_named(world, other):
    world.add()
    file = exported(world)
    for bad in ("{", "[]", '{"event_id": 1}', '{"event_id":"a","endpoint":"b","headers":[1]}'):
        file.write_text(file.read_text().splitlines()[0] + f"\n{bad}\n")
        ran = world.dispatchd("send", "--from", file, "--url", other.url)
        assert ran.code == 1
        assert f"line 2 of {file} is no event" in ran.err


def test_an_endpoint_that_is_not_there_sends_nothing(world, other):
    world.add(endpoint="githbu")
    ran = world.dispatchd("send", "--from", exported(world), "--url", other.url)
    assert (ran.code, "did you mean 'github'?" in ran.err) == (2, True)
    assert other.events() == []


def test_dry_runs_send_nothing(world, other):
    history(world)
    ran = world.dispatchd("send", "--from", exported(world), "--url", other.url, "--dry-run")
    assert (ran.code, ran.out) == (0, "Would send 4 events, 1 skipped.\n")
    url = f"{other.url}/hooks/github"
    ran = world.dispatchd("send", "github", "--url", url, "--dry-run", "--header", "X-A: b")
    head, _, body = ran.out.partition("\n\n")
    assert head.startswith(f"POST {url}\n")
    assert "\nX-Hub-Signature-256: sha256=" in head
    assert head.endswith("X-A: b")
    assert json.loads(body)["action"] == "opened"
    told = world.dispatchd("send", "github", "--url", url, "--dry-run", "--json").json()
    assert told["method"] == "POST"
    assert other.events() == []


def test_a_dry_run_shows_no_secret(world, monkeypatch):
    text = MINE.format(database=world.database) + (
        "  lab: {provider: gitlab, secret: a-token-that-is-secret}\n  keyed: {}\n"
        'api_keys: [{name: a, hash: "sha256:' + "0" * 64 + '"}]\n'
    )
    world.config.write_text(text)
    ran = world.dispatchd("send", "lab", "--dry-run")
    assert ran.code == 0
    assert "a-token" not in ran.out
    assert "X-Gitlab-Token: THE-SECRET" in ran.out
    monkeypatch.setenv("DISPATCHD_API_KEY", "dsp_very-secret")
    ran = world.dispatchd("send", "keyed", "--dry-run")
    assert "very-secret" not in ran.out
    assert "Authorization: Bearer THE-API-KEY" in ran.out
