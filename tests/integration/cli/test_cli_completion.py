"""`dispatchd completion`: what the shells themselves make of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dispatchd.cli import cli

BIN = Path(sys.executable).parent
SHELLS = ("bash", "zsh", "fish")


def words(world, line, *, before=""):
    """Complete the last word of a line as bash would; return what it offers."""
    given = line.split(" ")
    script = (
        f'eval "$(dispatchd completion bash)"; COMP_WORDS=({" ".join(given[:-1])}'
        f" '{given[-1]}'); COMP_CWORD={len(given) - 1}; _dispatchd_completion dispatchd;"
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DISPATCHD_CONFIG": str(world)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("dispatchd ev", {"events"}),
        ("dispatchd events --un", {"--until"}),
        ("dispatchd events --endpoint ", {"my-slug", "keyed"}),
        ("dispatchd replay --to a", {"audit"}),
        ("dispatchd pause c", {"crm"}),
        ("dispatchd send my", {"my-slug"}),
        ("dispatchd explain l", {"latest"}),
        ("dispatchd try githu", {"github"}),
        ("dispatchd key n", {"new"}),
        ("dispatchd completion z", {"zsh"}),
        ("dispatchd events --status f", {"filtered"}),
        ("dispatchd doctor --f", {"--full"}),
        ("dispatchd rest", {"restore"}),
    ],
)
def test_bash_completes(world, line, found):
    assert set(words(world.config, line)) >= found
    if not line.endswith(" "):
        assert set(words(world.config, line)) == found


def test_a_key_is_for_a_queue(world):
    world.config.write_text("destinations: {crm: {url: 'http://x'}, jobs: {type: pull}, x: }\n")
    assert words(world.config, "dispatchd key new a --pull ") == ["jobs"]


def parameters(group=cli, path=()):
    """Yield every parameter that takes a value, with the words of its command."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from parameters(command, (*path, name))
        yield from (((*path, name), p) for p in command.params if not getattr(p, "is_flag", False))


NEW = {("init", "slug"), ("key new", "name"), ("pause", "reason")}  # what has no name yet


def test_whatever_has_a_name_or_is_a_file_is_completed():
    """A new parameter that takes a name of the config says by which names it is completed."""
    missed = []
    for path, param in parameters():
        said = f"{param.metavar or ''} {param.name}".upper().replace("EVENT_TYPE", "")
        if (" ".join(path), param.name) in NEW or param.name == "before":
            continue
        named = any(w in said for w in ("NAME", "SLUG", "QUEUE", "ENDPOINT", "DESTINATION"))
        file = any(w in said for w in ("FILE", "DIRECTORY", "CONFIG"))
        offered = param.shell_complete(click.Context(cli), "")
        if named and param._custom_shell_complete is None:
            missed.append((path, param.name))
        if file and [item.type for item in offered] != ["file"]:
            missed.append((path, param.name))
    assert missed == []


def test_a_config_that_is_named_is_the_one_that_is_asked(world):
    other = world.directory / "other.yaml"
    other.write_text("destinations: {elsewhere: {url: 'http://x'}}\n")
    line = f"dispatchd -c {other} pause e"
    assert words(world.config, line) == ["elsewhere"]


@pytest.mark.parametrize("text", ["", "{", "endpoints: [a]", "- a", None])
def test_a_config_that_cannot_be_read_completes_nothing(world, text):
    if text is None:
        world.config.unlink()
    else:
        world.config.write_text(text)
    assert words(world.config, "dispatchd pause x") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_takes_its_script(world, shell):
    ran = world.dispatchd("completion", shell)
    assert ran.code == 0
    assert "_DISPATCHD_COMPLETE=" in ran.out
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not on this machine")
    script = world.directory / "completion"
    script.write_text(ran.out)
    subprocess.run([program, "-n", script], check=True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_are_answered(world, shell):
    environ = {
        **os.environ,
        "_DISPATCHD_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "dispatchd pause c",
        "COMP_CWORD": "2" if shell == "zsh" else "c",
        "DISPATCHD_CONFIG": str(world.config),
    }
    ran = subprocess.run(
        [BIN / "dispatchd"], env=environ, capture_output=True, text=True, check=False
    )
    assert "crm" in ran.stdout
