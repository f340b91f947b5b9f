"""`dispatchd tail --url`: the stream of a daemon elsewhere, as lines."""

import json
from pathlib import Path

import pytest
from rig import Sink, StartDaemon, always, simple_config
from rig_api import TOKEN, Api
from rig_listen import listening
from rig_served import free_port


async def test_lines_of_events_and_attempts(api: Api, sink: Sink, tmp_path: Path) -> None:
    first = await api.daemon.accepted(b'{"action": "first"}')
    args = ("--url", api.daemon.admin_url, "--since", "1h")
    async with listening(tmp_path, *args, token=TOKEN, command="tail") as one:
        assert first in (await one.lines(1))[0]
        sink.answer = always(500)
        second = await api.daemon.accepted(b'{"action": "\\u001b[31m"}')
        _, event, attempt = await one.lines(3)
        assert event.endswith(f"my-slug  \\x1b[31m  24 B  -> crm  {second}")
        assert "    crm retrying  500 in " in attempt
        assert attempt.endswith(second)
        await one.stop()
        assert one.err == []


@pytest.mark.parametrize(
    ("args", "kinds"),
    [
        (("--delivery", "failed"), []),
        (("--event-type", "second", "--destination", "crm"), ["event", "attempt"]),
        (("--event-type", "second", "--endpoint", "my-slug"), ["event", "attempt"]),
        (("--search", "second", "--status", "received"), ["event"]),
    ],
)
async def test_filters_go_along(
    api: Api, tmp_path: Path, args: tuple[str, ...], kinds: list[str]
) -> None:
    where = ("--url", api.daemon.admin_url, "--json", *args)
    async with listening(tmp_path, *where, token=TOKEN, command="tail") as one:
        await api.daemon.log.wait_for("follower_joined")
        for word in (b"first", b"second"):
            await api.daemon.accepted(b'{"action": "%s"}' % word)
        told = await one.documents(len(kinds))
        assert [fields["kind"] for fields in told] == kinds
        assert all("headers" not in json.dumps(list(fields)) for fields in told)


async def test_it_goes_on_after_a_restart(
    start_daemon: StartDaemon, sink: Sink, tmp_path: Path
) -> None:
    port = free_port()
    yaml = f"{simple_config(sink)}\nadmin: {{listen: '127.0.0.1:{port}', token: {TOKEN}}}\n"
    daemon = await start_daemon(yaml)
    where = ("--url", f"http://127.0.0.1:{port}", "--event-type", "wanted", "--since", "1h")
    async with listening(tmp_path, *where, "--json", token=TOKEN, command="tail") as one:
        await daemon.log.wait_for("follower_joined")
        ids = [await daemon.accepted(b'{"action": "wanted"}')]
        await one.lines(2)
        await start_daemon.stop(daemon)  # type: ignore[attr-defined]
        await one.until(lambda it: any("; trying again" in line for line in it.err))
        daemon = await start_daemon(yaml)
        ids.append(await daemon.accepted(b'{"action": "wanted"}'))
        await one.until(
            lambda it: (
                [
                    fields["event_id"]
                    for fields in map(json.loads, it.out)
                    if fields["kind"] == "event"
                ]
                == ids
            )
        )
        await one.until(lambda it: any("is back" in line for line in it.err))
