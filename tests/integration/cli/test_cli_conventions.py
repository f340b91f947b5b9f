"""What people expect of every command: -c anywhere, times in pairs, files and pipes alike."""

import io
import sys
import time

import click
import pytest

from dispatchd.admin.api.routes import OPERATIONS
from dispatchd.cli import cli, main

# What needs no config: it makes one, prints what is the same everywhere, or only listens.
FREE = {"init", "try", "import adnanh", "key new", "key signing", "catch", "completion", "man"}


def commands(group: click.Group = cli, *path: str):
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command


def options(command: click.Command) -> set[str]:
    return {spelled for param in command.params for spelled in param.opts}


def test_every_command_that_reads_a_config_takes_it_alike():
    without = {name for name, command in commands() if not {"-c", "--config"} <= options(command)}
    assert without == FREE


@pytest.fixture
def plain(world, monkeypatch, capfd):
    """Run exactly these words, in a directory without a config."""
    elsewhere = world.directory / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dispatchd", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


@pytest.mark.parametrize(
    "args",
    [
        ("check",),
        ("events",),
        ("export",),
        ("show", "latest"),
        ("explain", "latest"),
        ("replay", "latest", "--dry-run"),
        ("jobs",),
        ("jobs", "run"),
        ("destinations",),
        ("pause", "crm"),
        ("alerts",),
        ("alerts", "test", "crm"),
        ("stats",),
        ("prune",),
        ("refused",),
        ("send", "my-slug", "--dry-run"),
        ("backup", "copy.db"),
    ],
    ids=" ".join,
)
def test_a_config_before_the_command_is_the_one(world, plain, args):
    world.lanes("crm")
    world.add("crm")
    for option in ("-c", "--config"):
        assert plain(option, world.config, *args)[0] == 0
        if args[0] == "backup":
            (world.directory / "elsewhere/copy.db").unlink()
    code, _, err = plain(*args)
    assert code == 2
    assert "there is no config here" in err


def test_doctor_and_restore_take_it_too(world, plain):
    world.add("crm")
    copy = world.directory / "copy.db"
    assert plain("-c", world.config, "backup", copy)[0] == 0
    assert plain("-c", world.config, "restore", copy)[0] == 0
    assert str(world.config) in plain("-c", world.config, "doctor")[1]


def test_the_nearest_config_counts(world, plain):
    other = world.directory / "other.yaml"
    other.write_text("serverr: {}\n")
    assert plain("-c", other, "check")[0] == 2
    assert plain("-c", other, "check", "-c", world.config)[0] == 0
    assert plain("-c", other, "check", world.config)[0] == 0


def test_until_stands_beside_every_since():
    for name, command in commands():
        if name in ("tail", "listen"):
            continue  # they go on
        assert ("--since" in options(command)) == ("--until" in options(command)), name
    for operation in OPERATIONS:
        if operation.path == "/stream":
            continue
        named = {field.name for field in operation.in_query}
        assert ("since" in named) == ("until" in named), operation.path


def test_a_stretch_of_time(world):
    now_ms = time.time_ns() // 1_000_000
    hours = {back: world.add("crm", received_ms=now_ms - back * 3_600_000) for back in (1, 3, 5)}
    for since, until, found in (("4h", "2h", [3]), ("6h", "2h", [3, 5]), ("2h", "1m", [1])):
        ids = [e["event_id"] for e in events(world, "--since", since, "--until", until)]
        assert ids == [hours[back].id for back in found]
    ran = world.dispatchd("events", "--since", "1h", "--until", "2h")
    assert ran.code == 2
    assert "--until is not after --since" in ran.err


def events(world, *args):
    listed = world.dispatchd("events", *args, "--json").json()
    return sorted(listed, key=lambda one: one["received"], reverse=True)


def test_check_takes_a_file_or_standard_input(world, plain, monkeypatch):
    assert plain("check", world.config) == (
        0,
        f"{world.config} is good: 2 endpoints, 2 destinations\n",
        "",
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(world.config.read_bytes())))
    code, out, _ = plain("check", "-")
    assert (code, out) == (0, "standard input is good: 2 endpoints, 2 destinations\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"serverr: {}\n")))
    code, _, err = plain("check", "-")
    assert code == 2
    assert err.startswith("<stdin>:1: serverr: ")
    assert plain("check", world.config, "--config", world.config)[0] == 2
    assert plain("check", "missing.yaml")[0] == 2


def test_check_strict_minds_what_only_works(world, monkeypatch):
    ran = world.dispatchd("check", "--strict")
    assert ran.code == 2
    assert "endpoints.my-slug.secret: is a secret, and stands in the file itself" in ran.err
    world.config.write_text(world.config.read_text().replace("a-signing-secret", "${MY_SECRET}"))
    monkeypatch.setenv("MY_SECRET", "a-signing-secret")
    assert world.dispatchd("check", "--strict").code == 0
    text = world.config.read_text().replace("destinations: [crm, audit]", "destinations: []")
    world.config.write_text(text)
    assert world.dispatchd("check").code == 0
    ran = world.dispatchd("check", "--strict")
    assert ran.code == 2
    assert "endpoints.my-slug" in ran.err
    assert "it has no destinations" in ran.err
