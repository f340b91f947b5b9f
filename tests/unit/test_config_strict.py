"""`check --strict`: secrets that stand in the file, and warnings, with their lines."""

import io
from pathlib import Path
from typing import get_args

import pytest
from pydantic.fields import FieldInfo

from dispatchd.config import TYPES, ConfigProblems, load, model_of
from dispatchd.config.spoken import HookUrl
from dispatchd.config.strict import HOOKS

BASE = """\
endpoints:
  a: {{secret: "${{S}}", destinations: [d]}}
destinations:
  d: {destination}
"""
WEBHOOK = "{url: 'https://d.example/in'}"
ENVIRON = {"S": "secret", "T": "tttttttttttttttttttttttttttttttt"}


def problems(text: str) -> list[str]:
    try:
        load(io.BytesIO(text.encode()), ENVIRON, strict=True)
    except ConfigProblems as error:
        return [f"{p.line}:{p.path}" for p in error.problems]
    return []


@pytest.mark.parametrize(
    ("destination", "paths"),
    [
        (WEBHOOK, []),
        ("{url: 'https://u:pw@d.example/in'}", ["url"]),
        ("{url: 'https://d.example/in?token=abc'}", ["url"]),
        ("{url: 'https://d.example/in?page=2'}", []),
        (
            "{url: 'https://d.example', headers: {Authorization: Bearer abc, X-Team: b}}",
            ["headers.Authorization"],
        ),
        ("{url: 'https://d.example', headers: {Authorization: 'Bearer ${T}'}}", []),
        ("{type: discord, url: 'https://discord.com/api/webhooks/1/x'}", ["url"]),
        ("{type: discord, url: '${T}'}", None),
        ("{type: telegram, token: '1:a', chat: '1'}", ["token"]),
        ("{type: ntfy, topic: mine, url: 'https://ntfy.example'}", ["topic"]),
        (
            "{type: command, run: [/bin/true, x], env: {API_TOKEN: abc, REF: main}}",
            ["env.API_TOKEN"],
        ),
        ("{type: command, run: [/bin/true], env: {API_TOKEN: '{{ body.token }}'}}", []),
        (
            "{type: email, host: h, from: a@b.example, to: a@b.example, user: u, password: pw}",
            ["password"],
        ),
    ],
)
def test_secrets_of_destinations(destination, paths) -> None:
    found = problems(BASE.format(destination=destination))
    if paths is None:  # what is referred to is no URL: only that is wrong
        assert found == ["4:destinations.d.url"]
        return
    assert found == [f"4:destinations.d.{path}" for path in paths]


@pytest.mark.parametrize(
    ("endpoint", "paths"),
    [
        ("secret: abc", ["secret"]),
        ("secret: ['${S}', abc]", ["secret[1]"]),
        ("secret: '$${S}'", ["secret"]),
        ("{secret: '${S}', verify_token: abc, provider: meta}", ["verify_token"]),
        (
            (
                "{provider: discord, public_key: "
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c}"
            ),
            [],
        ),
    ],
)
def test_secrets_of_endpoints(endpoint, paths) -> None:
    inside = endpoint.strip("{}") if endpoint.startswith("{") else endpoint
    text = f"endpoints:\n  a: {{{inside}, destinations: [d]}}\ndestinations: {{d: {WEBHOOK}}}\n"
    assert problems(text) == [f"2:endpoints.a.{path}" for path in paths]


def test_warnings_have_their_lines() -> None:
    text = "endpoints:\n  a:\n    secret: ${S}\ndestinations:\n  d: " + WEBHOOK + "\n"
    assert problems(text) == ["2:endpoints.a", "5:destinations.d"]


def test_a_link_to_an_unknown_destination_is_a_problem_and_no_crash() -> None:
    text = "endpoints:\n  a:\n    secret: ${S}\n    destinations: [nobody]\n"
    assert problems(text) == ["4:endpoints.a.destinations[0]"]


def test_no_value_is_quoted() -> None:
    with pytest.raises(ConfigProblems) as caught:
        load(io.BytesIO(b"admin: {token: very-secret-token-1}\n"), {}, strict=True)
    assert "very-secret" not in str(caught.value)


def test_every_type_that_is_known_by_its_url_is_one_of_the_hooks() -> None:
    (mark,) = HookUrl.__metadata__

    def is_hook(field: FieldInfo) -> bool:
        inside = [getattr(one, "__metadata__", ()) for one in get_args(field.annotation)]
        return mark in field.metadata or any(mark in marks for marks in inside)

    fields = {kind: model_of(kind).model_fields for kind in TYPES}
    named = {kind for kind, all_ in fields.items() if "url" in all_ and is_hook(all_["url"])}
    assert named == HOOKS


# Where the database is


def test_a_relative_database_is_beside_its_config(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("etc").mkdir()
    config = Path("etc", "config.yaml")
    for written, expected in (
        ("{}", "etc/dispatchd.db"),
        ("{url: 'sqlite:///x/y.db'}", "etc/x/y.db"),
        ("{url: 'sqlite:////abs/y.db'}", "/abs/y.db"),
    ):
        config.write_text(f"storage: {written}\n")
        assert Path(load(config).storage.path) == tmp_path / expected
    other = Path("link.yaml")
    other.symlink_to(config)
    config.write_text("header_prefix: a\n")
    assert Path(load(other).storage.path) == tmp_path / "dispatchd.db"
    assert Path(load(io.BytesIO(b"header_prefix: a\n")).storage.path) == tmp_path / "dispatchd.db"


def test_a_database_that_was_left_behind_is_no_new_start(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("etc").mkdir()
    config = Path("etc", "config.yaml")
    config.write_text("header_prefix: a\nstorage:\n  url: sqlite:///old.db\n")
    Path("old.db").write_bytes(b"x")
    with pytest.raises(ConfigProblems) as caught:
        load(config)
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (3, "storage.url")
    assert f"write sqlite:///{tmp_path}/old.db" in str(problem)
    Path("etc", "old.db").write_bytes(b"x")
    assert load(config).storage.path == f"{tmp_path}/etc/old.db"
