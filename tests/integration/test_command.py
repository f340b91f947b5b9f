"""Commands over a real daemon: what they are given, what their exit means, what ends with them."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from patience import HANG_S
from rig import BODY, SECRET, StartDaemon

from dispatchd.model import Command, ErrorClass, Failure, Outcome, Reply
from dispatchd.send import command as command_module
from dispatchd.send.command import Commands

PYTHON = sys.executable
Run = Callable[[Callable[[Commands], Awaitable[None]]], None]


def config(run: list[str], extra: str = "") -> str:
    return f"""
endpoints:
  my-slug: {{secret: {SECRET}, event_type_path: action, destinations: [deploy]}}
destinations:
  deploy: {{type: command, run: {json.dumps(run)}{extra}}}
"""


def python(tmp_path: Path, script: str) -> list[str]:
    """Return the command that runs a script."""
    path = tmp_path / "script.py"
    path.write_text(script)
    return [PYTHON, str(path)]


TELL = """
import json, os, sys
text = (json.dumps({
    "argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(),
    "stdin": sys.stdin.buffer.read().decode("latin-1"),
    "fds": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    "signals": [l.split()[1] for l in open("/proc/self/status") if l[:6] in ("SigBlk", "SigIgn")],
    "session": os.getsid(0) == os.getpid(),
}))
with open(TOLD, "w") as told:
    told.write(text)
"""


async def told(start_daemon: StartDaemon, tmp_path: Path, body: bytes, extra: str) -> dict:
    out = tmp_path / "out.json"
    run = python(tmp_path, f"TOLD = {str(out)!r}\n{TELL}")
    daemon = await start_daemon(config([*run, "{{ body.ref }}"], extra))
    event_id = await daemon.accepted(body)
    await daemon.log.wait_for("attempt", result="success", status_code=0)
    document = json.loads(out.read_text())
    assert document["env"]["DISPATCH_EVENT_ID"] == event_id
    return dict(document)


async def test_a_program_is_given_the_body_and_the_event_and_little_else(
    start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMONS_SECRET", "hunter2")
    monkeypatch.setenv("PASSED", "on")
    extra = f", pass_env: [PASSED], env: {{MODE: production}}, cwd: '{tmp_path}'"
    document = await told(start_daemon, tmp_path, BODY, extra)
    assert document["stdin"].encode("latin-1") == BODY
    assert document["argv"] == ["{{ body.ref }}"]  # run is no template
    assert document["cwd"] == str(tmp_path)
    env = document["env"]
    assert env["DISPATCH_EVENT_TYPE"] == "opened"
    assert env["DISPATCH_ENDPOINT"] == "my-slug"
    assert env["DISPATCH_DESTINATION"] == "deploy"
    assert env["DISPATCH_ATTEMPT"] == "1"
    assert env["DISPATCH_CONTENT_TYPE"] == "application/json"
    assert env["DISPATCH_SOURCE_IP"] == "127.0.0.1"
    assert env["DISPATCH_RECEIVED_AT"].endswith("Z")
    assert (env["MODE"], env["PASSED"]) == ("production", "on")
    ours = {name for name in env if not name.startswith("DISPATCH_")}
    assert ours <= {"PATH", "HOME", "LANG", "MODE", "PASSED", "LC_CTYPE"}  # Python sets the last


async def test_templates_fill_the_environment_and_what_args_says(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    body = json.dumps({"ref": "$(touch /tmp/x); `id` 'a\n\u200bb'", "n": 5}).encode()
    extra = (
        ", env: {REF: '{{ body.ref }}', GONE: '{{ body.gone }}', JSON: '{\"a\": 1}'}"
        ", args: ['{{ body.ref }}', '--n={{ body.n }}', plain]"
    )
    document = await told(start_daemon, tmp_path, body, extra)
    ref = json.loads(body)["ref"]
    assert document["env"]["REF"] == ref
    assert document["env"]["GONE"] == ""
    assert document["env"]["JSON"] == '{"a": 1}'
    assert document["argv"] == ["{{ body.ref }}", ref, "--n=5", "plain"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a\0b", "args[0]: it holds a NUL"),
        ("x" * 200_000, "args[0]: it is longer than 128 KiB"),
        ("--force", 'args[0]: it would be taken for an option; end run with "--"'),
    ],
)
async def test_what_no_program_should_be_given_ends_the_delivery(
    start_daemon: StartDaemon, tmp_path: Path, value: str, why: str
) -> None:
    mark = tmp_path / "ran"
    daemon = await start_daemon(config(["touch", str(mark)], ", args: ['{{ body.x }}']"))
    event_id = await daemon.accepted(json.dumps({"x": value}).encode())
    await daemon.log.wait_for("attempt", result="failed", error="command_error")
    (attempt,) = (await daemon.story(event_id)).attempts
    assert why in (attempt.message or "")
    assert not mark.exists()


async def test_an_option_may_come_behind_two_dashes(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    run = python(tmp_path, "import sys; print(sys.argv[1:])")
    daemon = await start_daemon(config([*run, "--"], ", args: ['{{ body.x }}']"))
    event_id = await daemon.accepted(b'{"x": "--force"}')
    await daemon.log.wait_for("attempt", result="success")
    (attempt,) = (await daemon.story(event_id)).attempts
    assert attempt.response_head == b"['--', '--force']\n"


async def test_its_output_is_the_answer_without_secrets(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    run = python(
        tmp_path,
        "import os, sys; print(os.environ['API_TOKEN'], flush=True);"
        " sys.stderr.write('e' * 5000); sys.exit(3)",
    )
    daemon = await start_daemon(config(run, ", env: {API_TOKEN: hunter2-hunter2}"))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="rejected", status_code=3)
    (attempt,) = (await daemon.story(event_id)).attempts
    assert attempt.response_head.startswith(b"***\nee")
    assert len(attempt.response_head) <= 2048


async def test_75_means_later(start_daemon: StartDaemon, tmp_path: Path) -> None:
    run = python(tmp_path, "import sys; sys.exit(75)")
    daemon = await start_daemon(config(run, ", later: 1h"))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", status_code=75)
    story = await daemon.story(event_id)
    (delivery,) = story.deliveries
    assert delivery.due_ms >= story.attempts[0].started_ms + 3_600_000


async def test_what_cannot_be_started_uses_up_no_attempt(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    program = tmp_path / "deploy"
    daemon = await start_daemon(config([str(program)], ", retry: {max_attempts: 1}"))
    event_id = await daemon.accepted(BODY)
    await daemon.log.wait_for("attempt", result="retrying", error="command_error")
    (attempt,) = (await daemon.story(event_id)).attempts
    assert attempt.message == f"cannot start {program}: No such file or directory"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    await daemon.log.wait_for("attempt", result="success")


async def test_a_large_body_that_nobody_reads_hangs_nobody(start_daemon: StartDaemon) -> None:
    daemon = await start_daemon(config(["true"]))
    await daemon.accepted(json.dumps({"x": "y" * 3_000_000}).encode())
    await daemon.log.wait_for("attempt", result="success")


async def test_a_stopping_daemon_ends_what_runs_and_it_runs_again(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    run = python(
        tmp_path,
        f"import os, time\nwith open({str(runs)!r}, 'a') as f: f.write(f'{{os.getpid()}}\\n')\n"
        f"if not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(1000)\n",
    )
    daemon = await start_daemon(config(run), drain_s=0.0)
    event_id = await daemon.accepted(BODY)
    await until(lambda: runs.exists() and runs.read_text().endswith("\n"))
    await daemon.app.stop()
    assert not there(int(runs.read_text()))
    (tmp_path / "go").touch()
    again = await start_daemon(config(run))
    await again.log.wait_for("attempt", result="success")
    assert len(runs.read_text().split()) == 2
    assert len((await again.story(event_id)).attempts) == 1


# The runner alone


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test's coroutine on a loop of its own, the daemon's kind too."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def run(test: Callable[[Commands], Awaitable[None]]) -> None:
        async def whole() -> None:
            commands = Commands()
            try:
                await test(commands)
            finally:
                await commands.close()

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(whole())

    return run


def command(
    *argv: str, timeout_s: float = 60.0, grace_s: float = 60.0, cwd: str | None = None
) -> Command:
    return Command(argv, {}, (), cwd, b"", timeout_s, grace_s)


async def until(met: object) -> None:
    """Wait for what another process does, which tells nobody."""
    async with asyncio.timeout(HANG_S):
        while not met():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def there(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


BY_PYTHON = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # the program's own interpreter


def ignored_here() -> int:
    """Return what these tests were started with: ignored already, as by a shell's `&`."""
    (mask,) = re.findall(r"^SigIgn:\s*(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(mask, 16)


def test_a_program_has_a_session_of_its_own_and_no_file_or_signal_of_ours(
    run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    async def test(commands: Commands) -> None:
        await commands.send(command(PYTHON, "-c", f"TOLD = {str(out)!r}\n{TELL}"))
        document = json.loads(out.read_text())
        assert document["session"]
        assert document["fds"] == [0, 1, 2]
        blocked, ignored = (int(mask, 16) for mask in document["signals"])
        assert blocked == 0
        # Python ignores these two for itself.
        assert ignored & ~ignored_here() & ~BY_PYTHON == 0  # `serve` takes over all of ours

    run(test)


CHILDREN = """
import os, signal, subprocess, sys, time
{ignoring}
child = subprocess.Popen([sys.executable, "-c", "import signal, time\\n{ignoring}\\n"
    "print('ready', flush=True)\\ntime.sleep(1000)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
{then}
"""
IGNORING = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def pids_of(outcome: Outcome) -> list[int]:
    head = outcome.head
    return [int(word) for word in head.split()]


@pytest.mark.parametrize("ignoring", ["", IGNORING])
def test_when_the_time_is_over_its_children_end_too(run: Run, ignoring: str) -> None:
    async def test(commands: Commands) -> None:
        script = CHILDREN.format(ignoring=ignoring, then="time.sleep(1000)")
        grace_s = 0.1 if ignoring else 60.0
        outcome = await commands.send(command(PYTHON, "-c", script, timeout_s=3.0, grace_s=grace_s))
        assert isinstance(outcome, Failure)
        assert outcome.error is ErrorClass.TIMEOUT
        for pid in pids_of(outcome):
            await until(lambda pid=pid: not there(pid))

    run(test)


def test_what_a_program_leaves_running_ends_with_it(run: Run) -> None:
    async def test(commands: Commands) -> None:
        outcome = await commands.send(command(PYTHON, "-c", CHILDREN.format(ignoring="", then="")))
        assert isinstance(outcome, Reply)
        (pid,) = pids_of(outcome)
        await until(lambda: not there(pid))

    run(test)


def test_what_is_cut_when_the_program_has_ended_has_its_outcome(run: Run, tmp_path: Path) -> None:
    told = tmp_path / "told"
    lingering = f"signal.signal(signal.SIGTERM, lambda *_: open({str(told)!r}, 'w').close())"

    async def test(commands: Commands) -> None:
        script = CHILDREN.format(ignoring=lingering, then="os._exit(3)")
        running = asyncio.create_task(commands.send(command(PYTHON, "-c", script)))
        await until(told.exists)  # the program has ended, and what it left is being ended
        running.cancel()
        outcome = await running
        assert isinstance(outcome, Reply)
        assert outcome.status == 3
        (pid,) = pids_of(outcome)
        await until(lambda: not there(pid))

    run(test)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it outlives us
def test_a_program_that_nobody_may_end_keeps_nobody_from_leaving(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_group: int, _number: int) -> None:
        raise PermissionError

    async def test(commands: Commands) -> None:
        running = asyncio.create_task(commands.send(command("sleep", "1000")))
        await until(lambda: commands._groups)
        monkeypatch.setattr(os, "killpg", forbidden)
        (pid,) = commands._groups
        running.cancel()
        try:
            with pytest.raises(asyncio.CancelledError):
                await running
        finally:
            os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(command_module, "CUT_GRACE_S", 0.1)
    run(test)


def test_a_flood_of_output_is_dropped(run: Run) -> None:
    async def test(commands: Commands) -> None:
        script = "import sys\nfor _ in range(100): sys.stdout.write('x' * 100_000)"
        outcome = await commands.send(command(PYTHON, "-c", script))
        assert isinstance(outcome, Reply)
        assert outcome.status == 0
        assert outcome.head == b"x" * 2048

    run(test)


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGTERM, ErrorClass.COMMAND), (signal.SIGSEGV, ErrorClass.REJECTED)],
)
def test_a_signal_is_told(run: Run, number: signal.Signals, error: ErrorClass) -> None:
    async def test(commands: Commands) -> None:
        script = f"import os; os.kill(os.getpid(), {int(number)})"
        outcome = await commands.send(command(PYTHON, "-c", script))
        assert isinstance(outcome, Failure)
        assert outcome.error is error
        assert number.name in outcome.message

    run(test)


def test_why_it_could_not_be_started_is_told(run: Run, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")

    async def test(commands: Commands) -> None:
        for asked, why in (
            (command("no-such-program-here"), "no-such-program-here: No such file"),
            (command("true", cwd=gone), f"true in {gone}: No such file"),
            (command(str(tmp_path)), f"{tmp_path}: Permission denied"),
        ):
            outcome = await commands.send(asked)
            assert isinstance(outcome, Failure)
            assert outcome.error is ErrorClass.COMMAND
            assert why in outcome.message

    run(test)


def test_a_keeper_that_is_killed_is_replaced(run: Run) -> None:
    async def test(commands: Commands) -> None:
        await commands.send(command("true"))
        keeper = commands._keeper
        assert keeper is not None
        os.kill(keeper.pid, signal.SIGKILL)
        keeper.wait()
        outcome = await commands.send(command("true"))
        assert isinstance(outcome, Reply)
        assert commands._keeper is not keeper

    run(test)
