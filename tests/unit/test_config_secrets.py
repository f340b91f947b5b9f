"""No secret is in what is told of a config, be it wrong or good."""

import json
import re
from base64 import b64encode
from pathlib import Path

import pytest
from configs import SECRET, endpoint, problems
from pydantic import SecretStr

from dispatchd.config import ConfigProblems, parse
from dispatchd.config.expectation import expectation
from dispatchd.config.shown import fingerprint, shown
from dispatchd.redact import Redactor


@pytest.mark.parametrize(
    "keys",
    [
        'secret: s\n    signature: {header: X, template: "${SEKRIT}"}',
        "provider: twilio\n    secret: s\n    url: ${SEKRIT}",
        "provider: ${SEKRIT}\n    secret: s",
    ],
)
def test_what_came_from_the_environment_is_in_no_problem(keys):
    for value in ("topsecret{zzz}", "https://x.example/?t=topsecret"):
        found = problems(endpoint(keys), {"SEKRIT": value})
        assert found
        assert "topsecret" not in "".join(found)
        assert "zzz" not in "".join(found)


WRONG_PLACES = (
    "header_prefix: '${X}'",
    "server: {listen: '${X}', max_body: '${X}', trusted_proxies: ['${X}']}",
    "storage: {url: '${X}', retention: '${X}'}",
    "api_keys: [{name: '${X}', hash: '${X}'}]\nendpoints: {a: {id: '${X}'}}",
    "endpoints: {a: {secret: s, auth: '${X}', event_type_path: '${X}', active: '${X}'}}",
    "endpoints: {a: {auth: none, destinations: ['${X}', {to: '${X}'}]}}",
    "endpoints: {a: {auth: none, destinations: [{to: d, on_transform_error: '${X}'}]}}",
    "endpoints: {a: {auth: none, destinations: [{to: d, transform: '${X} ) ${X}'}]}}",
    "destinations: {d: {url: '${X}', type: '${X}', timeout: '${X}', max_in_flight: '${X}'}}",
    "destinations: {d: {url: 'http://h', headers: {A: '${X}\n\n${X}'}}}",
    "destinations: {d: {url: 'http://h', retry: {max_attempts: '${X}', jitter: '${X}'}}}",
    "destinations: {d: {url: 'http://h', retry: {backoff: ['${X}']}}}",
    "admin: {listen: '${X}', token: ['${X}']}",
    "server: '${X}'",
    "unknown: '${X}'",
    f"destinations: {{d: {{url: 'http://u:{SECRET}@h/#'}}}}",
    f"destinations: {{d: {{url: 'http://u:{SECRET}@h/', headers: {{Authorization: a}}}}}}",
    f"destinations: {{d: {{url: 'http://h', proxy: 'http://u:{SECRET}@p/path'}}}}",
    f"proxy: 'socks5://u:{SECRET}@p'",
    "destinations: {d: {url: 'http://h', proxy: '${X}', tls: {ca: '${X}', cert: '${X}'}}}",
    f"destinations: {{d: {{url: 'http://h', headers: {{A: [{SECRET}]}}}}}}",
    f"endpoints: {{a: {{secret: {{{SECRET}x: 1}}, auth: none}}}}".replace(f"{SECRET}x", "x"),
)


@pytest.mark.parametrize("text", WRONG_PLACES)
def test_no_problem_holds_a_secret(text):
    with pytest.raises(ConfigProblems) as caught:
        parse(text, "c.yaml", {"X": f"{SECRET} {SECRET}\n"})
    error = caught.value
    told = [str(error), repr(error), *map(repr, error.problems)]
    assert not [line for line in told if SECRET in line]
    assert error.__cause__ is None
    assert error.__context__ is None  # nor may a traceback: pydantic's error holds every value


def test_a_good_config_prints_stars():
    config = parse(
        f"""
        admin: {{token: {SECRET}1}}
        endpoints: {{a: {{secret: [{SECRET}2, "${{X}}"], destinations: [d]}}}}
        destinations: {{d: {{url: "http://h/{SECRET}", headers: {{A: {SECRET}3}}}}}}
        """,
        environ={"X": SECRET},
    )
    told = [str(config), repr(config), repr(config.model_dump()), config.model_dump_json()]
    assert not [line for line in told if SECRET in line]
    assert "**********" in repr(config)
    assert config.destinations["d"].safe_url == "http://h"


def test_a_shown_config_has_stars_for_every_secret() -> None:
    text = (Path(__file__).parents[2] / "config.example.yaml").read_text()
    whole = re.sub(r"^( *)#(?=[^ \n])", r"\1", text, flags=re.MULTILINE)
    environ = {
        name: f"canary-{name}" for name in ("DISPATCHD_ADMIN_TOKEN", "AUDIT_TOKEN", "CRM_TOKEN")
    }
    config = parse(whole, environ=environ)

    def secrets(value: object) -> list[str]:
        if isinstance(value, SecretStr):
            return [value.get_secret_value()]
        if isinstance(value, dict):
            return secrets(list(value.values()))
        return (
            [s for part in value for s in secrets(part)] if isinstance(value, list | tuple) else []
        )

    canaries = secrets(config.model_dump())
    assert len(canaries) > 8
    told = json.dumps(shown(config))
    urls = {d.url.get_secret_value() for d in config.destinations.values() if d.type != "pull"}
    for canary in canaries:
        assert canary not in told or canary in urls or canary == "none", canary
    for destination in config.destinations.values():
        assert destination.safe_url in told


def test_no_type_of_destination_shows_a_secret_in_the_api() -> None:
    config = parse(
        f"""
        endpoints: {{a: {{auth: none, destinations: [mail]}}}}
        templates: {{t: {{default: {{title: x}}}}}}
        destinations:
          discord: {{type: discord, url: "https://discord.com/api/webhooks/1/{SECRET}1"}}
          telegram: {{type: telegram, token: "123456:{SECRET}2", chat: "-100"}}
          ntfy: {{type: ntfy, topic: "{SECRET}3", token: "{SECRET}4"}}
          pushover: {{type: pushover, token: "{SECRET}5", user: "{SECRET}6"}}
          mail: {{type: email, host: mx.example, user: u, password: "{SECRET}7", from: a@b.example,
                  to: [c@d.example]}}
          run: {{type: command, run: [/bin/true, "{SECRET}8"], args: ["{SECRET}9"],
                 env: {{K: "{SECRET}0"}}}}
        """
    )
    told = shown(config)
    assert SECRET not in json.dumps(told)
    assert SECRET not in json.dumps(expectation(config, "a"))
    assert told["destinations"]["discord"]["url"] == "https://discord.com"
    assert told["destinations"]["telegram"]["token"] == "***"
    assert told["destinations"]["mail"]["to"] == ["c@d.example"]
    assert told["destinations"]["run"]["args"] == ["***"]
    another = parse(
        f"""
        endpoints: {{a: {{auth: none, destinations: [n]}}}}
        destinations: {{n: {{type: ntfy, topic: "{SECRET}"}}}}
        """
    )
    assert fingerprint(config) != fingerprint(another)


def test_a_login_that_a_mail_server_echoes_is_blacked_out():
    config = parse(
        "endpoints: {}\ndestinations:\n  d: {type: email, host: mail.example.com, from: a@b.cd,"
        f" to: a@b.cd, user: ops, password: {SECRET}}}\n"
    )
    redactor = Redactor(config.destinations["d"].secrets())
    for login in (f"\0ops\0{SECRET}", SECRET):
        echoed = b64encode(login.encode())
        assert echoed.rstrip(b"=")[:-4] not in redactor.head(b"503 what is AUTH " + echoed)


def test_what_came_from_a_reference_is_shown_as_it_was_written() -> None:
    """A filter, a transform, a template may hold a token as well as any header."""
    config = parse(
        """
        endpoints:
          a:
            auth: none
            filter: {body.token: "${X}", body.kind: [issue]}
            answer: {status: 200, body: "ok ${X}"}
            destinations:
              - {to: d, transform: '{"key": "${X}"}', filter: 'body.t = "${X}"', template: t,
                 rules: [{filter: 'body.r = "${X}"', transform: '"${X}"'}]}
        templates: {t: {default: {title: "${X}", url: "https://h/?key=${X}", kind: info}}}
        destinations: {d: {type: discord, url: "https://discord.com/api/webhooks/1/x"}}
        """,
        environ={"X": SECRET},
    )
    told, expected = shown(config), expectation(config, "a")
    assert SECRET not in json.dumps([told, expected])
    (link,) = told["endpoints"]["a"]["destinations"]
    assert link["transform"] == '{"key": "${X}"}' == expected["links"][0]["transform"]
    assert told["endpoints"]["a"]["filter"] == {"body.token": "${X}", "body.kind": ["issue"]}
    assert told["templates"]["t"]["default"]["kind"] == "info"
    assert parse("endpoints: {a: {auth: none, filter: {body.a: '${X}'}}}", environ={"X": "b"})
