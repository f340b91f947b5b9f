"""docs/live.md has the numbers of the code, and every filter of the stream."""

from pathlib import Path

from dispatchd.admin import listener
from dispatchd.admin.api import pull, stream
from dispatchd.admin.dashboard import ticks
from dispatchd.admin.stream import feed, follower, ring, serving
from dispatchd.cli import tailing
from dispatchd.cli.listen import command
from dispatchd.remote import following

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
API_BESIDE = 128  # connections that scripts and people have left, whoever else stays


def test_its_numbers_are_the_codes() -> None:
    assert f"{feed.FOLLOWERS_MAX} streams at once" in TEXT
    assert f"Of one address {listener.CONNECTIONS_PER_CLIENT_MAX} connections" in TEXT
    assert f"the last {ring.ITEMS_MAX:,} things ({ring.BYTES_MAX // 2**20} MiB at most)" in TEXT
    assert f"takes nothing for\n{serving.STALLED_S:g} s is cut off" in TEXT
    assert feed.GATHER_S == 0.1
    assert "ten a second" in TEXT
    assert f"`: alive` comes every {follower.HEARTBEAT_S:g} s" in TEXT
    assert f"hears nothing for {following.SILENCE_S:g} s" in TEXT
    assert f"Bodies over {feed.WHOLE_BYTES // 1024} KiB" in TEXT
    assert f"the last {tailing.WATCHED_MAX} events that are still owed" in TEXT
    assert (following.FIRST_WAIT_S, following.LAST_WAIT_S) == (0.5, 15)
    assert "after half a second at first and 15 s at most" in TEXT


def test_every_parameter_and_every_reason_to_end_is_told() -> None:
    (operation,) = stream.OPERATIONS
    for param in (*operation.in_query, *operation.in_header):
        assert f"`{param.name}" in TEXT or f"`{param.name}=" in TEXT, param.name
    for reason in serving.Why.__args__:
        assert f"`{reason}`" in TEXT, reason


def test_what_listen_is_told_there_is_there() -> None:
    options = {name for param in command.params for name in param.opts}
    for name in ("--forward", "--url", "--token-file", "--since", "--resume", "--timeout"):
        assert name in TEXT
        assert name in options


def test_those_that_stay_leave_connections_to_the_rest() -> None:
    stay = feed.FOLLOWERS_MAX + pull.POLLS_MAX + ticks.LISTENERS_MAX
    assert listener.CONNECTIONS_MAX - stay >= API_BESIDE
