"""Refused requests are kept for whoever asks why: the last ones, few, without secrets."""

from typing import Any

from rig import BODY, FakeClock, Sink, StartDaemon, simple_config

from dispatchd.facts import WebhookAnswered
from dispatchd.receive.answers import Refusal
from dispatchd.receive.refusals import WAITING_MAX_BYTES, Refusals
from dispatchd.receive.spec import RefusedRule
from dispatchd.store.counts import MINUTE_S
from dispatchd.store.refused import Answered, RefusedQuery, RefusedRequest

WRONG = {
    "X-Dispatch-Signature": "sha256=" + "0" * 64,
    "X-Note": "seen",
    "X-Original-URI": "/hooks/my-slug?token=s3cret",
}


async def found(daemon: Any, clock: FakeClock, count: int) -> list[RefusedRequest]:
    """Let time pass until so many are kept."""
    requests: list[RefusedRequest] = []
    while len(requests) < count:
        await daemon.pass_until(clock, lambda: True)
        clock.advance(1)
        requests = list(await daemon.store.find_refused(RefusedQuery()))
    return requests


async def test_a_invalid_signature_can_be_looked_into(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    status, answer, _ = await daemon.post(BODY, secret=None, headers=WRONG)
    assert status == 401
    (one,) = await found(daemon, clock, 1)
    assert (one.endpoint, one.status, one.reason) == ("my-slug", 401, answer["error"]["code"])
    assert (one.method, one.source_ip, one.body_bytes) == ("POST", "127.0.0.1", len(BODY))
    assert one.message == answer["error"]["message"]
    headers = dict(one.headers)
    assert headers["X-Dispatch-Signature"] == "***"
    assert headers["X-Note"] == "seen"
    assert headers["X-Original-URI"] == "/hooks/my-slug"
    assert one.body is None


async def test_a_body_is_kept_where_the_endpoint_says_so(
    start_daemon: StartDaemon, sink: Sink
) -> None:
    clock = FakeClock()
    config = simple_config(sink).replace(
        "event_type_path: action", "refused: {keep: 2, body: true}"
    )
    daemon = await start_daemon(config, clock=clock)
    for body in (b"{", b"[", b"]"):
        assert (await daemon.post(body))[0] == 400
    requests = await found(daemon, clock, 2)
    assert [one.body for one in requests] == [b"[", b"{"]  # the third had no room to wait
    assert [one.reason for one in requests] == ["invalid_json"] * 2


async def test_a_slug_that_is_nobodys(start_daemon: StartDaemon, sink: Sink) -> None:
    clock = FakeClock()
    daemon = await start_daemon(simple_config(sink), clock=clock)
    assert (await daemon.post(BODY, slug="my-slog"))[0] == 404
    (one,) = await found(daemon, clock, 1)
    assert (one.endpoint, one.slug, one.reason) == (None, "my-slog", "unknown_endpoint")


async def test_what_came_to_nothing_is_counted(start_daemon: StartDaemon, sink: Sink) -> None:
    config = simple_config(sink).replace("event_type_path: action", "idempotency: {header: X-Id}")
    daemon = await start_daemon(config)
    now_ms = FakeClock().now_ms()
    for _ in range(3):
        await daemon.post(BODY, headers={"X-Id": "same"})
    await daemon.post(BODY, secret=None, headers=WRONG)
    store = daemon.store
    await daemon.app._exit.aclose()  # the end writes what waits
    counted = await store.counts(MINUTE_S, now_ms - 60_000, now_ms + 600_000)
    totals: dict[str, int] = {}
    for one in counted.endpoints:
        totals[one.result] = totals.get(one.result, 0) + one.count
    assert totals == {"received": 1, "duplicate": 2, "invalid_signature": 1}


class Kept:
    """What a store was asked to keep."""

    def __init__(self) -> None:
        self.writes: list[list[RefusedRequest]] = []
        self.counted: dict[Answered, int] = {}

    async def keep_refused(self, requests: Any, _keep: Any, answered: Any) -> None:
        self.writes.append(list(requests))
        for key, count in answered.items():
            self.counted[key] = self.counted.get(key, 0) + count


async def test_a_flood_is_few_small_writes() -> None:
    kept, clock = Kept(), FakeClock()
    refusals = Refusals(kept, clock)  # type: ignore[arg-type]
    refusal = Refusal(401, "invalid_signature", "no")
    rule = RefusedRule(20, body=True)
    for n in range(5000):
        told = WebhookAnswered(f"e{n % 50}", status=401, error="invalid_signature")
        headers = {"X-Large": "x" * 8000, "Content-Length": "9" * 5000}
        refusals.note(told, refusal, rule, method="POST", headers=headers, body=b"b" * 60_000)
        refusals.watch(told)
    await refusals.write()
    await refusals.write()
    assert len(kept.writes) == 1
    size_bytes = sum(len(r.body or b"") + 8000 for r in kept.writes[0])
    assert size_bytes < WAITING_MAX_BYTES + 70_000
    assert sum(kept.counted.values()) == 5000


async def test_a_flood_at_one_endpoint_leaves_room_for_the_refusals_of_others() -> None:
    """Whoever floods chose the endpoint; the sender that is looked into chose another."""
    kept = Kept()
    refusals = Refusals(kept, FakeClock())  # type: ignore[arg-type]
    refusal, rule = Refusal(401, "invalid_signature", "no"), RefusedRule(1000, body=True)

    def note(endpoint: str, size_bytes: int = 60_000) -> None:
        told = WebhookAnswered(endpoint, status=401, error="invalid_signature")
        refusals.note(told, refusal, rule, method="POST", headers={}, body=b"b" * size_bytes)

    for _ in range(100):
        note("flooded")
    for _ in range(3):
        note("github")
    for _ in range(100):
        note("flooded")
    note("gitlab", 10)
    await refusals.write()
    endpoints = [one.endpoint for one in kept.writes[0]]
    assert endpoints.count("github") == 3
    assert endpoints.count("gitlab") == 1
    assert endpoints.count("flooded") > 10
    assert sum(len(one.body or b"") for one in kept.writes[0]) < WAITING_MAX_BYTES + 70_000
