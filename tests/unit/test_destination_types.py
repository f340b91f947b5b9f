"""Destinations of each type in the config: what is wrong with one, what is never shown of it."""

import subprocess
import sys

import pytest
from configs import problems
from platforms import PLATFORMS
from speakers import APPRISE, MAIL

from dispatchd.config import TYPES, json_schema, model_of, parse
from dispatchd.plan.compiling import compile_plan

ALL = {name: platform.keys for name, platform in PLATFORMS.items()}
ALL |= {"email": MAIL, "apprise": APPRISE}
HOOK = "https://h.example/x"


def destination(keys: str) -> str:
    return "destinations: {d: " + keys.replace("{base}", "http://h") + "}\n"


def test_who_is_told_the_types_is_told_all_of_them() -> None:
    (problem,) = problems(destination("{type: 5}"))
    assert all(f'"{name}"' in problem for name in TYPES)


def test_capitals_do_not_hide_which_type_is_meant() -> None:
    (problem,) = problems(destination("{type: TELEGRAM}"))
    assert problem.endswith('did you mean "telegram"?')


@pytest.mark.parametrize("name", ALL)
def test_each_type_compiles(name: str) -> None:
    config = parse(destination(ALL[name]))
    lane = compile_plan(config).lanes["d"]
    assert lane.max_in_flight == (2 if name == "email" else 1)
    assert "://" in config.destinations["d"].safe_url


def test_a_platforms_rate_is_the_default_and_can_be_changed() -> None:
    assert compile_plan(parse(destination(ALL["telegram"]))).lanes["d"].gap_s == 1.0
    faster = ALL["telegram"].removesuffix("}") + ", rate_limit: 10/s}"
    assert compile_plan(parse(destination(faster))).lanes["d"].gap_s == 0.1
    assert compile_plan(parse(destination(ALL["gotify"]))).lanes["d"].gap_s is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("{type: dicsord, url: x}", 'd.type: unknown type "dicsord"; did you mean "discord"?'),
        ("{type: 5}", "d.type: unknown type; known:"),
        ("{type: discord}", "d.url: is missing"),
        ("{type: discord, url: ftp://x}", "d.url: must begin with http"),
        (f"{{type: discord, url: '{HOOK}/slack'}}", "d.url: is the webhook's URL for another"),
        (f"{{type: discord, url: '{HOOK}', thred: '1'}}", 'unknown key; did you mean "thread"?'),
        (f"{{type: discord, url: '{HOOK}', thread: abc}}", "d.thread: is no id"),
        (f"{{type: discord, url: '{HOOK}', headers: {{A: b}}}}", "d.headers: unknown key"),
        ("{type: slack}", "d: needs a url, or a token and a channel"),
        ("{type: slack, token: xoxb-1}", "d: needs a url, or a token and a channel"),
        (f"{{type: slack, url: '{HOOK}', token: x, channel: y}}", "d: has a url, and a token"),
        ("{type: telegram, token: abc, chat: 1}", "d.token: is no bot's token"),
        ("{type: telegram, token: '1:a', chat: 1, topic: 0}", "d.topic: must be at least 1"),
        ("{type: matrix, homeserver: 'http://h', token: t, room: '#a:b'}", "d.room: is no room's"),
        ("{type: matrix, homeserver: 'http://h?x', token: t, room: '!a'}", "must have no query"),
        ("{type: ntfy, topic: 'a b'}", "d.topic: has a space, a slash or the like in it"),
        ("{type: ntfy, topic: a.b}", "d.topic: must be letters, digits"),
        ("{type: ntfy, topic: a, priority: 9}", "d.priority: must be at most 5"),
        ("{type: gotify, url: 'http://h', token: ''}", "d.token: must not be empty"),
        ("{type: pushover, token: a, user: b, priority: 2}", "d.priority: must be at most 1"),
        ("{type: email, host: 'h:25', from: a@b.c, to: a@b.c}", "d.host: is neither a name"),
        ("{type: email, host: h, from: ops, to: a@b.c}", "d.from: is no address; write"),
        ("{type: email, host: h, from: a@b.c, to: []}", "d.to: must name at least one"),
        ("{type: email, host: h, from: 'a@b.c\\nBcc: x', to: a@b.c}", "d.from: "),
        ("{type: email, host: h, from: a@b.c, to: a@b.c, user: u}", "user and password go"),
        (
            "{type: email, host: h, from: a@b.c, to: a@b.c, user: u, password: p, security: none}",
            "would send its password in the clear",
        ),
        ("{type: apprise, urls: [x]}", "d.urls[0]: is no URL of Apprise's"),
        ("{type: apprise, urls: []}", "d.urls: must name"),
        (f"{{type: msteams, url: '{HOOK}', ordered: true, max_in_flight: 2}}", "sends one at a"),
        ("{type: mattermost, url: 'http://10.0.0.1/x', allow_private: false}", "private address"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(keys: str, expected: str) -> None:
    found = problems(destination(keys))
    assert len(found) == 1, found
    assert found[0].startswith("c.yaml:1: destinations.d")
    assert expected in found[0]


def test_all_of_it_is_told_at_once() -> None:
    found = problems(
        "destinations:\n"
        "  a: {type: telegram, token: x, topic: y}\n"
        "  b: {type: email, host: h, security: ssl, from: x}\n"
        "  c: {type: nope}\n"
        "  d: {url: 'ftp://x', tmeout: 1s}\n"
    )
    places = [problem.split(": ")[1] for problem in found]
    assert places == [
        "destinations.a.chat",
        "destinations.a.token",
        "destinations.a.topic",
        "destinations.b.from",
        "destinations.b.security",
        "destinations.b.to",
        "destinations.c.type",
        "destinations.d.tmeout",
        "destinations.d.url",
    ]


def test_apprise_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatchd.config.mail.find_spec", lambda _: None)
    (found,) = problems(destination(APPRISE))
    assert "install it with pip install 'dispatchd[apprise]'" in found


SECRET_KEYS = {
    "discord": "url",
    "slack": "url",
    "slack-bot": "token",
    "telegram": "token",
    "googlechat": "url",
    "msteams": "url",
    "mattermost": "url",
    "matrix": "token",
    "ntfy": "topic",
    "gotify": "token",
    "pushover": "user",
    "apprise": "urls",
}


@pytest.mark.parametrize("name", SECRET_KEYS)
def test_no_secret_is_shown(name: str) -> None:
    config = parse(destination(ALL[name]))
    secrets = [s for s in config.destinations["d"].secrets() if len(s) > 5]
    assert secrets
    told = [str(config), repr(config), config.model_dump_json(), repr(compile_plan(config).lanes)]
    told.append(config.destinations["d"].safe_url)
    private = [s for s in secrets if not s.startswith("http://h")]
    assert not [s for s in private for text in told if s in text]


@pytest.mark.parametrize("name", TYPES)
def test_no_problem_shows_a_value_from_the_environment(name: str) -> None:
    model = model_of(name)
    names = [field.alias or key for key, field in model.model_fields.items() if key != "type"]
    keys = ", ".join(f"{key}: '${{X}}'" for key in names)
    found = problems(f"destinations: {{d: {{type: {name}, {keys}}}}}\n", {"X": "hunter2 \nhunter2"})
    assert found
    assert "hunter2" not in "".join(found)


def test_the_schema_knows_each_type() -> None:
    sections = json_schema()["$defs"]
    for name in TYPES:
        assert sections[model_of(name).__name__]["properties"]["type"]["const"] == name


def test_a_config_without_them_imports_none_of_them() -> None:
    script = (
        "import sys\n"
        "from dispatchd.config import parse\n"
        "from dispatchd.plan.compiling import compile_plan\n"
        "import dispatchd.app\n"
        "compile_plan(parse('destinations: {d: {url: http://h/}}'))\n"
        "ours = ('dispatchd.compose.', 'dispatchd.wording', 'dispatchd.send.',"
        " 'dispatchd.config.chat', 'dispatchd.config.push', 'dispatchd.config.mail')\n"
        "names = [n for n in sys.modules if n.startswith((*ours, 'aiosmtplib', 'apprise'))]\n"
        "print(*sorted(names))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [
        "dispatchd.compose.courier",
        "dispatchd.compose.forward",
        "dispatchd.compose.retry_after",
        "dispatchd.compose.speaker",
        "dispatchd.compose.webhook",
        "dispatchd.send.answer",
        "dispatchd.send.carrier",
        "dispatchd.send.classify",
        "dispatchd.send.connect",
        "dispatchd.send.connection",
        "dispatchd.send.http",
        "dispatchd.send.resolver",
        "dispatchd.send.tls",
    ]
