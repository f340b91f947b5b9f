"""What the commands tell of destinations that people read: what would be said, and no secret."""

import json

import pytest
from platforms import PLATFORMS
from speakers import APPRISE, HOSTILE

TYPES = {name: platform.keys for name, platform in PLATFORMS.items()}
TYPES |= {
    "email": "{type: email, host: 127.0.0.1, user: u, password: Sekrit-Token1,"
    " from: o@example.com, to: a@example.com}",
    "apprise": APPRISE,
}
# What of the destinations above may never be shown.
SECRETS = (
    "Sekrit-Token1", "SekritToken1", "xoxb-12345678", "ABC-DEF_ghi", "t0k3n-of-chat",
    "sekrit1token", "syt_token", "team-alerts_1", "AbCdEf123456", "a" * 30, "u" * 30,
)  # fmt: skip
CONFIG = """
storage: {{url: 'sqlite:///{database}'}}
endpoints:
  my-slug:
    auth: none
    event_type_path: action
    destinations: [team{link}]
templates:
  good: {{default: {{title: "It was {{{{ body.action }}}}"}}}}
  bad: {{default: {{title: "{{{{ 1 / body.zero }}}}"}}}}
destinations:
  team: {keys}
"""


@pytest.fixture(params=TYPES)
def spoken(request, world):
    """A config with one destination, and whatever the commands print."""
    keys = TYPES[request.param].replace("{base}", "http://127.0.0.1:9")
    world.config.write_text(CONFIG.format(database=world.database, keys=keys, link=""))
    return world


def test_no_command_shows_a_secret_of_any_type(spoken):
    body = spoken.directory / "body.json"
    body.write_text(json.dumps({"title": HOSTILE.replace("\ud800", ""), "action": "opened"}))
    event = spoken.add("team")
    told = []
    for args in (
        ("check",),
        ("explain", "my-slug"),
        ("explain", "my-slug", body),
        ("explain", "my-slug", body, "--json"),
        ("explain", event.id),
        ("show", event.id, "--json"),
        ("destinations",),
        ("destinations", "--json"),
    ):
        ran = spoken.dispatchd(*args)
        assert ran.code == 0, (args, ran.err)
        told.append(ran.out + ran.err)
    assert "would say" in told[2]
    assert "@everyone" in told[3]
    assert not [secret for secret in SECRETS for out in told if secret in out]


def explained(world, template):
    keys = TYPES["discord"].replace("{base}", "http://127.0.0.1:9")
    written = CONFIG.format(database=world.database, keys=keys, link="")
    linked = written.replace("[team]", f"[{{to: team, template: {template}}}]")
    world.config.write_text(linked)
    body = world.directory / "body.json"
    body.write_text('{"action": "opened", "title": "Own words", "zero": 0}')
    ran = world.dispatchd("explain", "my-slug", body)
    return ran.out, world.dispatchd("explain", "my-slug", body, "--json").json()["links"][0]


def test_a_template_that_is_good_is_told_with_what_it_says(world):
    out, link = explained(world, "good")
    assert "It was opened" in out
    assert link["template"] == "good: applied"
    assert link["said"]["tree"]["title"] == "It was opened"


def test_a_template_that_fails_is_told_with_what_would_be_said_instead(world):
    out, link = explained(world, "bad")
    assert link["template"].startswith("bad: failed, the destination's own wording sent: ")
    assert link["message"]["title"] == "Own words"
    assert "would say Own words" in out
