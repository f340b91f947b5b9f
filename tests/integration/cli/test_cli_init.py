"""`dispatchd init`: with flags, asked, and for every sender a config that can be used."""

import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dispatchd.cli.starter import kind_of
from dispatchd.config import ConfigProblems, check_without_references, load
from dispatchd.hints import HINTS


def init(world, *args):
    """Write a config beside the world's own; return what was said and the file."""
    path = world.directory / "new.yaml"
    return world.dispatchd("init", path, *args), path


@pytest.mark.parametrize("provider", HINTS)
def test_every_sender_gets_a_config_that_check_accepts(world, provider):
    ran, path = init(world, "--provider", provider)
    assert (ran.code, ran.err) == (0, "")
    check_without_references(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    variables = set(re.findall(r"export (\w+)=", ran.out))
    assert variables == set(re.findall(r"\$\{(\w+)\}", text))
    assert f"# {provider}: {HINTS[provider].title}" in text or provider == "generic"
    assert max(len(line) for line in text.splitlines()) <= 120


def test_a_secret_of_ones_own_is_fresh(world):
    ran, path = init(world, "--provider", "github")
    config = load(path)
    secret = config.endpoints["github"].secret[0].get_secret_value()
    assert len(secret) >= 43
    assert secret not in ran.out
    assert "which the sender needs too" in ran.out
    world.dispatchd("init", path, "--provider", "github", "--force")
    assert load(path).endpoints["github"].secret[0].get_secret_value() != secret


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("https://discord.com/api/webhooks/1/abc", "discord", "discord"),
        ("https://hooks.slack.com/services/T/B/x", "slack", "slack"),
        ("https://ntfy.sh/my-topic", "ntfy", "ntfy"),
        ("https://crm.example.com/in?a=${b}", "webhook", "crm"),
        ("http://10.0.0.7/in", "webhook", "local"),
        ("http://localhost:9000/", "webhook", "local"),
        ("http://[::1]:9000/", "webhook", "local"),
    ],
)
def test_the_destination_is_of_the_type_that_its_url_tells(world, url, kind, name):
    ran, path = init(world, "--to", url)
    assert ran.code == 0, ran.err
    (there,) = load(path).destinations.items()
    assert there[0] == name
    assert there[1].type == kind == kind_of(url)
    if kind == "webhook":
        assert there[1].url.get_secret_value() == url
    if kind == "ntfy":
        assert there[1].topic.get_secret_value() == "my-topic"
    assert "dispatchd catch" not in ran.out


def test_the_rest_may_be_told(world):
    args = ("--slug", "ci/deploy", "--public-url", "https://h.example.com/", "--type", "mattermost")
    ran, path = init(world, "--provider", "square", "--to", "https://m.example.com/hooks/x", *args)
    assert ran.code == 0, ran.err
    environ = {"SQUARE_SECRET": "s"}
    config = load(path, environ)
    assert config.server.hook_url("ci/deploy") == "https://h.example.com/hooks/ci/deploy"
    assert config.destinations["mattermost"].type == "mattermost"
    assert "https://<your host>/hooks/ci/deploy" in path.read_text()


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--provider", "githbu"), "--provider: no provider 'githbu'; did you mean 'github'?"),
        (("--to", "ftp://x"), "--to: "),
        (("--slug", "a b"), "--slug: "),
        (("--public-url", "h.example.com"), "--public-url: "),
        (("--storage", "postgres://h"), "--storage: "),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(world, args, why):
    ran, path = init(world, *args)
    assert ran.code == 2
    assert why in " ".join(ran.err.split())
    assert not path.exists()


def asked(directory: Path, *answers: str, args=()) -> tuple[str, int]:
    """Run it on a terminal, answering each question as it comes; return what was shown."""
    main_fd, terminal = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "dispatchd", "init", *args],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=directory,
    )
    os.close(terminal)
    shown, left = "", list(answers)
    while True:
        try:
            chunk = os.read(main_fd, 4096).decode()
        except OSError:
            break
        shown += chunk
        if left and re.search(r"(\]|\)): ?$", shown):
            os.write(main_fd, left.pop(0).encode() + b"\n")
            shown += "|"  # it is not the end of what was shown any more
    os.close(main_fd)
    return shown, running.wait()


def test_on_a_terminal_it_asks(tmp_path):
    url = "https://discord.com/api/webhooks/1/abc"
    shown, code = asked(tmp_path, "stripe", url, "whsec_of_stripe")
    assert code == 0, shown
    assert "Who sends?" in shown
    assert "Where do events go?" in shown
    assert "whsec_of_stripe" not in shown
    config = load(tmp_path / "config.yaml")
    assert config.endpoints["stripe"].secret[0].get_secret_value() == "whsec_of_stripe"
    assert config.destinations["discord"].url.get_secret_value() == url


def test_a_slip_is_said_and_asked_about_again(tmp_path):
    shown, code = asked(tmp_path, "strpe", "generic", "discord.com/api", "http://127.0.0.1:9000/in")
    assert code == 0, shown
    assert "did you mean 'stripe'?" in shown
    assert shown.count("Who sends?") == shown.count("Where do events go?") == 2
    (destination,) = load(tmp_path / "config.yaml").destinations.values()
    assert destination.url.get_secret_value() == "http://127.0.0.1:9000/in"


def test_what_was_told_is_judged_before_anything_is_asked(tmp_path):
    shown, code = asked(tmp_path, args=("--provider", "stripe", "--public-url", "h.example.com"))
    assert code == 2
    assert "--public-url" in shown
    assert "Where do events go?" not in shown


def test_enter_takes_the_defaults(tmp_path):
    shown, code = asked(tmp_path, "", "")
    assert code == 0, shown
    assert "my-slug" in load(tmp_path / "config.yaml").endpoints


def test_what_is_not_known_yet_is_left_to_a_variable(tmp_path):
    shown, code = asked(tmp_path, "", "", args=("--provider", "stripe"))
    assert code == 0, shown
    with pytest.raises(ConfigProblems, match="STRIPE_SECRET is not set"):
        load(tmp_path / "config.yaml", {})


def test_yes_asks_nothing(tmp_path):
    shown, code = asked(tmp_path, args=("--yes",))
    assert (code, "?" in shown) == (0, False)
