"""Amazon SNS over real HTTP: its notifications, and the address that confirms a subscription."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rig import Daemon, FakeClock, StartDaemon

from dispatchd import app as app_module
from dispatchd.pinned import PinnedDocuments
from dispatchd.store.base import EventQuery
from dispatchd.verify import hash_api_key

sys.path.append(str(Path(__file__).parents[1] / "vectors"))
import reading

DOCUMENT = reading.document_of("aws-sns")
TOPIC = DOCUMENT["auth"]["topics"][0]
TEXT = {"Content-Type": "text/plain; charset=UTF-8"}


def body_of(kind: str) -> bytes:
    return next(
        case["request"]["body"].encode()
        for case in DOCUMENT["cases"]
        if case["ok"] and f'"Type": "{kind}"' in str(case["request"]["body"])
    )


SUBSCRIPTION = body_of("SubscriptionConfirmation")
ADDRESS = json.loads(SUBSCRIPTION)["SubscribeURL"]


class Web(PinnedDocuments):
    """AWS as the vectors have it; `visits` are what is asked of it but for certificates."""

    up = True
    visits: list[str]

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        Web.visits = []

    async def _fetch(self, url: str) -> bytes | None:
        if url in DOCUMENT["certificates"]:
            return DOCUMENT["certificates"][url].encode()
        Web.visits.append(url)
        return b"<ConfirmSubscriptionResponse/>" if Web.up else None


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    monkeypatch.setattr(app_module, "PinnedDocuments", Web)
    monkeypatch.setattr(Web, "up", True)
    clock = FakeClock()
    clock.wall_ms = DOCUMENT["now_s"] * 1000
    return clock


async def post(daemon: Daemon, body: bytes, **headers: str) -> tuple[int, bytes]:
    url = f"{daemon.url}/hooks/my-slug"
    async with daemon.http.post(url, data=body, headers=TEXT | headers) as response:
        assert (response.status == 503) == ("Retry-After" in response.headers)
        return response.status, await response.read()


async def start(start_daemon: StartDaemon, clock: FakeClock, endpoint: str) -> Daemon:
    return await start_daemon(f"endpoints: {{my-slug: {endpoint}}}", clock=clock)


OURS = f"{{provider: aws-sns, topic: '{TOPIC}'}}"


async def test_a_subscription_is_confirmed_once(
    start_daemon: StartDaemon, clock: FakeClock
) -> None:
    daemon = await start(start_daemon, clock, OURS)
    assert await post(daemon, SUBSCRIPTION) == (200, b"")
    assert await post(daemon, SUBSCRIPTION) == (200, b"")
    assert Web.visits == [ADDRESS]
    (line, _) = daemon.log.of("event", handshake=True)
    assert line["notes"] == [f"confirmed the subscription to {TOPIC}"]
    assert "Token=" not in repr(daemon.log.lines)
    assert await daemon.store.find_events(EventQuery()) == []
    assert (await post(daemon, body_of("Notification")))[0] == 202


async def test_one_that_could_not_be_confirmed_is_asked_for_again(
    start_daemon: StartDaemon, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = await start(start_daemon, clock, OURS)
    monkeypatch.setattr(Web, "up", False)
    status, body = await post(daemon, SUBSCRIPTION)
    assert (status, json.loads(body)["error"]["code"]) == (503, "unavailable_unconfirmed")
    assert daemon.log.of("event", handshake=True) == []
    monkeypatch.setattr(Web, "up", True)
    assert await post(daemon, SUBSCRIPTION) == (200, b"")
    assert Web.visits == [ADDRESS] * 2


async def test_no_stranger_has_anything_visited(
    start_daemon: StartDaemon, clock: FakeClock
) -> None:
    daemon = await start(start_daemon, clock, OURS)
    fields = json.loads(SUBSCRIPTION)
    for changed in (
        {"SubscribeURL": "http://169.254.169.254/latest/meta-data"},
        {"SubscribeURL": ADDRESS + "&x=y"},
        {"TopicArn": TOPIC + "2"},
        {"Signature": "AAAA"},
        {"Signature": None},
    ):
        assert (await post(daemon, json.dumps(fields | changed).encode()))[0] == 401
    assert Web.visits == []


@pytest.mark.parametrize(
    ("endpoint", "kept"),
    [
        (f"{{provider: aws-sns, topic: '{TOPIC}2'}}", False),
        ("{provider: aws-sns, auth: none}", True),
        ("{auth: none}", True),
    ],
)
async def test_without_its_topic_nothing_is_confirmed(
    start_daemon: StartDaemon, clock: FakeClock, endpoint: str, kept: bool
) -> None:
    daemon = await start(start_daemon, clock, endpoint)
    assert (await post(daemon, SUBSCRIPTION))[0] == (202 if kept else 401)
    assert Web.visits == []


async def test_an_api_key_confirms_nothing(start_daemon: StartDaemon, clock: FakeClock) -> None:
    key = DOCUMENT["api_key"]
    daemon = await start_daemon(
        f"""
        api_keys: [{{name: ci, hash: '{hash_api_key(key)}'}}]
        endpoints: {{my-slug: {OURS}}}
        """,
        clock=clock,
    )
    fields = json.loads(SUBSCRIPTION)
    del fields["Signature"]
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await post(daemon, json.dumps(fields).encode(), **bearer))[0] == 202
    wrong = json.dumps(fields | {"Signature": "AAAA"}).encode()
    assert (await post(daemon, wrong, **bearer))[0] == 401
    assert Web.visits == []
