"""Reload over real HTTP: what changes does, what does not stays, whatever is under way."""

import asyncio
import json
import socket
from pathlib import Path

import aiohttp
import pytest
from rig import (
    BODY,
    SECRET,
    Daemon,
    FakeClock,
    Sink,
    StartDaemon,
    always,
    holding,
    simple_config,
)
from rig_reloaded import Rewrite, said
from rig_served import free_port

from dispatchd.model import HoldKind


async def recorded(daemon: Daemon, count: int = 1, **fields: object) -> None:
    await daemon.log.wait_for("attempt", count, **fields)


async def test_every_kind_of_change_by_its_name(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink))
    assert said(await daemon.app.reload()) == []
    rewrite(f"secret: {SECRET}", "secret: another")
    rewrite("endpoints:", "endpoints:\n  second: {auth: none, destinations: [audit]}")
    rewrite("destinations:\n", f"destinations:\n  audit: {{url: '{sink.url}audit'}}\n")
    assert said(await daemon.app.reload()) == [
        "added endpoint second",
        "changed endpoint my-slug: secret",
        "added destination audit",
    ]
    assert (await daemon.post(BODY))[0] == 401
    await daemon.accepted(BODY, secret="another")
    await daemon.accepted(BODY, slug="second", secret=None)
    await sink.wait_for(2)
    rewrite("  second: {auth: none, destinations: [audit]}\n", "")
    assert said(await daemon.app.reload()) == ["removed endpoint second"]
    assert (await daemon.post(BODY, slug="second", secret=None))[0] == 404


async def test_with_any_problem_nothing_changes_and_all_are_told(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink))
    rewrite(f"secret: {SECRET}", "secrets: hunter2")
    rewrite("destinations: [crm]", "destinations: [crn]")
    outcome = await daemon.app.reload()
    assert len(outcome.problems) == 3
    assert "hunter2" not in repr(outcome)
    assert daemon.log.of("reload_refused")[0]["problems"] == list(outcome.problems)
    await daemon.accepted(BODY)
    await sink.wait_for(1)
    rewrite("secrets: hunter2", f"secret: {SECRET}")
    rewrite("[crn]", "[crm]")
    assert said(await daemon.app.reload()) == []


async def test_what_needs_a_restart_is_refused_by_name(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink, ", timeout: 5s"))
    rewrite("dispatchd.db", "other.db")
    rewrite("timeout: 5s", "timeout: 6s")
    (problem,) = (await daemon.app.reload()).problems
    assert problem.startswith("storage.url: needs a restart")
    rewrite("other.db", "dispatchd.db")
    assert said(await daemon.app.reload()) == ["changed destination crm: timeout"]


async def test_an_exchange_under_way_ends_by_the_config_it_began_with(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    release = asyncio.Event()
    sink.answer = holding(release, text="you sent old-key-123")
    extra = ", max_in_flight: 1, headers: {X-Key: old-key-123}"
    daemon = await start_daemon(simple_config(sink, extra))
    first = await daemon.accepted(BODY)
    await sink.wait_for(1)
    second = await daemon.accepted(BODY)
    rewrite("old-key-123", "new-key-456")
    assert said(await daemon.app.reload()) == ["changed destination crm: headers"]
    release.set()
    await recorded(daemon, 2)
    assert [headers["X-Key"] for headers, _ in sink.received] == ["old-key-123", "new-key-456"]
    assert sink.event_ids() == [first, second]
    (attempt,) = (await daemon.story(first)).attempts
    assert attempt.response_head == b"you sent ***"  # whose secret it was, when it was sent


async def test_a_destination_that_leaves_keeps_what_it_is_owed_and_ends_what_it_began(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    release = asyncio.Event()
    sink.answer = holding(release)
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 1"))
    first = await daemon.accepted(BODY)
    await sink.wait_for(1)
    second = await daemon.accepted(BODY)
    rewrite("destinations: [crm]", "destinations: [new]")
    rewrite("  crm: {", "  new: {")
    assert "removed destination crm" in said(await daemon.app.reload())
    assert daemon.log.of("destination_held", destination="crm")
    (crm, new) = await daemon.store.lanes()
    assert [hold.kind for hold in crm.state.holds] == [HoldKind.CONFIG]
    assert (crm.backlog, new.state.word) == (2, "open")
    release.set()
    await recorded(daemon, destination="crm", event_id=first, result="success")
    third = await daemon.accepted(BODY)
    await recorded(daemon, destination="new", event_id=third, result="success")
    assert sink.event_ids() == [first, third]
    rewrite("  new: {", f"  crm: {{url: '{sink.url}'}}\n  new: {{")
    assert said(await daemon.app.reload()) == ["added destination crm"]
    await recorded(daemon, destination="crm", event_id=second, result="success")
    assert sorted(sink.event_ids()) == sorted([first, second, third])


async def test_a_destination_that_comes_back_meanwhile_takes_up_its_lane(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    release = asyncio.Event()
    sink.answer = holding(release)
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 1"))
    first = await daemon.accepted(BODY)
    await sink.wait_for(1)
    lane = daemon.app._lanes._lanes["crm"]
    rewrite("destinations: [crm]", "destinations: [new]")
    rewrite("  crm: {", "  new: {")
    await daemon.app.reload()
    rewrite("  new: {", f"  crm: {{url: '{sink.url}', max_in_flight: 1}}\n  new: {{")
    rewrite("destinations: [new]", "destinations: [crm]")
    await daemon.app.reload()
    assert daemon.app._lanes._lanes["crm"] is lane
    second = await daemon.accepted(BODY)
    release.set()
    await recorded(daemon, 2, destination="crm", result="success")
    assert sink.event_ids() == [first, second]


async def test_a_paused_destination_that_is_added_again_sends_nothing(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink))
    rewrite("destinations: [crm]", "destinations: [new]")
    rewrite("  crm: {", "  new: {")
    await daemon.app.reload()
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "moving", 0)
    rewrite("destinations: [new]", "destinations: [crm, new]")
    rewrite("  new: {", f"  crm: {{url: '{sink.url}crm'}}\n  new: {{")
    await daemon.app.reload()
    event = await daemon.accepted(BODY)
    await recorded(daemon, destination="new")
    await daemon.log.wait_for("lane_held", destination="crm")
    assert sink.event_ids() == [event]
    await daemon.store.open_lane("crm", HoldKind.PAUSED)
    await recorded(daemon, destination="crm", event_id=event)


async def test_a_destination_that_was_paused_while_it_ended_what_it_began_sends_nothing_more(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    """Its lane took up again before it had heard of the pause."""
    release = asyncio.Event()
    sink.answer = holding(release)
    daemon = await start_daemon(simple_config(sink, ", max_in_flight: 1"))
    first = await daemon.accepted(BODY)
    await sink.wait_for(1)
    second = await daemon.accepted(BODY)
    rewrite("destinations: [crm]", "destinations: [new]")
    rewrite("  crm: {", "  new: {")
    await daemon.app.reload()
    await daemon.store.hold_lane("crm", HoldKind.PAUSED, "moving", 0)
    rewrite("  new: {", f"  crm: {{url: '{sink.url}', max_in_flight: 2}}\n  new: {{")
    await daemon.app.reload()
    await daemon.log.wait_for("lane_held", destination="crm")
    release.set()
    await recorded(daemon, destination="crm", event_id=first)
    await daemon.store.ping()
    assert sink.event_ids() == [first]
    await daemon.store.open_lane("crm", HoldKind.PAUSED)
    await recorded(daemon, destination="crm", event_id=second)


async def test_what_is_known_of_a_destination_survives(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    sink.answer = always(500)
    clock = FakeClock()
    extra = ", breaker: {open_after: 1}, retry: {max_attempts: 9}"
    daemon = await start_daemon(simple_config(sink, extra), clock=clock)
    await daemon.accepted(BODY)
    await daemon.log.wait_for("lane_held", destination="crm")
    rewrite("max_attempts: 9", "max_attempts: 8")
    assert said(await daemon.app.reload()) == ["changed destination crm: retry"]
    await daemon.accepted(BODY)
    assert daemon.log.of("lane_recovered") == []
    rewrite("breaker: {open_after: 1}, ", "")
    sink.answer = None
    assert said(await daemon.app.reload()) == ["changed destination crm: breaker"]
    await daemon.log.wait_for("lane_recovered", destination="crm")
    await daemon.pass_until(clock, lambda: len(sink.received) >= 3)


async def test_a_rate_limit_that_is_kept_goes_on_counting(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(
        simple_config(sink).replace("event_type_path", "rate_limit: 1/h\n    event_type_path"),
        clock=FakeClock(),
    )
    await daemon.accepted(BODY)
    rewrite("event_type_path: action", "event_type_path: kind")
    assert said(await daemon.app.reload()) == ["changed endpoint my-slug: event_type_path"]
    assert (await daemon.post(BODY))[0] == 429
    rewrite("1/h", "2/h")
    await daemon.app.reload()
    assert (await daemon.post(BODY))[0] == 202


async def test_order_begins_with_a_reload_and_ends_with_one(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink, ", timeout: 5s"))
    await daemon.accepted(BODY)
    rewrite("timeout: 5s", "ordered: true")
    await daemon.app.reload()
    ids = [await daemon.accepted(BODY) for _ in range(5)]
    await sink.wait_for(6)
    assert sink.event_ids()[1:] == ids
    rewrite("ordered: true", "timeout: 5s")
    await daemon.app.reload()
    await daemon.accepted(BODY)
    await sink.wait_for(7)


async def test_the_listener_moves_and_a_request_that_began_is_answered(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite, tmp_path: Path
) -> None:
    here, there, path = free_port(), free_port(), tmp_path / "s"
    daemon = await start_daemon(simple_config(sink) + f"\nserver: {{listen: '127.0.0.1:{here}'}}\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", here)
    head = f"POST /hooks/nobody HTTP/1.1\r\nHost: h\r\nContent-Length: {len(BODY)}\r\n\r\n"
    writer.write(head.encode()[:40])
    await writer.drain()
    places = [f"127.0.0.1:{there}", f"0.0.0.0:{there}", f"unix:{path}", f"127.0.0.1:{here}"]
    before = f"127.0.0.1:{here}"
    for place in places:
        rewrite(f"listen: '{before}'", f"listen: '{place}'")
        before = place
        assert said(await daemon.app.reload()) == ["changed server: listen"]
        if place.startswith("unix:"):
            connector = aiohttp.UnixConnector(path=str(path))
        else:
            connector = aiohttp.TCPConnector()
        port = place.rpartition(":")[2] if ":" in place[5:] else "1"
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get(f"http://127.0.0.1:{port}/healthz") as response,
        ):
            assert response.status == 200
        if place is places[0]:
            writer.write(head.encode()[40:] + BODY)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 404")
            assert b"Connection: close" in answer
            writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", there)


async def test_a_place_that_is_taken_changes_nothing(
    start_daemon: StartDaemon, sink: Sink, rewrite: Rewrite
) -> None:
    daemon = await start_daemon(simple_config(sink, ", timeout: 5s"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rewrite("127.0.0.1:0", f"127.0.0.1:{port}")
        rewrite("timeout: 5s", "timeout: 6s")
        (problem,) = (await daemon.app.reload()).problems
        assert problem == f"cannot listen on 127.0.0.1:{port}: Address already in use"
        await daemon.accepted(BODY)
    assert said(await daemon.app.reload()) == [
        "changed server: listen",
        "changed destination crm: timeout",
    ]


async def test_alerts_come_and_go(
    start_daemon: StartDaemon, sink: Sink, sink_factory, rewrite: Rewrite
) -> None:
    ops = await sink_factory()
    sink.answer = always(500)
    clock = FakeClock()
    extra = f", retry: {{max_attempts: 1}}}}\n  ops: {{url: '{ops.url}'"
    daemon = await start_daemon(simple_config(sink, extra) + "\nalerts: []\n", clock=clock)
    await daemon.accepted(BODY)
    await recorded(daemon, result="failed")
    alerts = "alerts: [{to: ops, on: [delivery_failed]}]"
    rewrite("alerts: []", alerts)
    assert said(await daemon.app.reload()) == ["changed alerts"]
    while not await daemon.store.alert_notes():
        await daemon.store.ping()
    await daemon.accepted(BODY)
    await daemon.pass_until(clock, lambda: ops.received)
    assert json.loads(ops.received[0][1])["count"] == 1  # not what failed before it was asked for
    rewrite(alerts, "alerts: []")
    assert said(await daemon.app.reload()) == ["changed alerts"]
    while await daemon.store.alert_notes():
        clock.advance(1.0)
        await daemon.store.ping()
