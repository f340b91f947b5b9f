"""What can be wrong with a config's structure, proofs, floods and links: line, key and words."""

import pytest
from configs import assert_one_problem, endpoint, limit, problems

from dispatchd.config import Config, ConfigProblems, parse
from dispatchd.config.problems import nearest
from dispatchd.errors import DispatchdError

UUID = "7b0c0000-0000-4000-8000-000000000001"

CASES = {
    # structure
    "unknown key": (
        "header_prefx: a",
        '1: header_prefx: unknown key; did you mean "header_prefix"?',
    ),
    "python name": ("server:\n  max_body_bytes: 1", "2: server.max_body_bytes: unknown key"),
    "slug as key": (endpoint("auth: none\n    slug: x"), "4: endpoints.a.slug: unknown key"),
    "on is text": ("on: 1", "1: on: unknown key"),
    "control characters": ('"a\\e[31m": 1', '1: ["a\\u001b[31m"]: unknown key'),
    "doubled key": ("header_prefix: a\nheader_prefix: b", "2: header_prefix: stands twice"),
    "doubled deep": (endpoint("auth: none\n    auth: none"), "4: endpoints.a.auth: stands twice"),
    "complex key": ("? [a]\n: b", "1: has a key that is not text"),
    "section is text": ("server: x", "1: server: must be a mapping of keys to values"),
    "list is text": ("api_keys: x", "1: api_keys: must be a list"),
    "missing": ("destinations:\n  d: {type: webhook}", "2: destinations.d.url: is missing"),
    # authentication
    "no proof": (endpoint("active: true"), "2: endpoints.a: has no secret"),
    "contradiction": (
        endpoint("secret: s\n    auth: none"),
        "4: endpoints.a.auth: contradicts the secret",
    ),
    "empty secret": (endpoint("secret: ''"), "3: endpoints.a.secret: must not be empty"),
    "null secret": (endpoint("secret:"), "3: endpoints.a.secret: has no value"),
    "no secrets": (endpoint("secret: []"), "3: endpoints.a.secret: must hold at least one"),
    "number as secret": (
        endpoint("secret: 12345"),
        "3: endpoints.a.secret: must be text; put it in quotes",
    ),
    "second secret": (
        endpoint("secret:\n      - s\n      - yes"),
        "5: endpoints.a.secret[1]: must be text; put it in quotes",
    ),
    "other auth": (endpoint("auth: basic"), '3: endpoints.a.auth: must be "none", not "basic"'),
    "null auth": (endpoint("auth:"), "3: endpoints.a.auth: has no value"),
    "key hash": ("api_keys:\n- {name: ci, hash: dsp_x}", "2: api_keys[0].hash: must be sha256:"),
    "key name": (
        f"api_keys:\n- &k {{name: ci, hash: 'sha256:{'0' * 64}'}}\n- {{<<: *k, name: ci}}",
        "3: api_keys[1].name: is the name of api_keys[0] too",
    ),
    # providers
    "unknown provider": (
        endpoint("provider: strpe\n    secret: s"),
        '3: endpoints.a.provider: unknown provider "strpe"; did you mean "stripe"?',
    ),
    "provider without key": (
        endpoint("provider: discord"),
        "2: endpoints.a: provider discord needs",
    ),
    "provider with another key": (
        endpoint("provider: paypal\n    webhook_id: x\n    secret: s"),
        "2: endpoints.a: provider paypal has no use for secret",
    ),
    "signature without secret": (
        endpoint("signature: {header: X-Sig}"),
        "2: endpoints.a: signature needs secret",
    ),
    "signature and provider": (
        endpoint("provider: stripe\n    secret: s\n    signature: {header: X-Sig}"),
        "2: endpoints.a: signature describes a scheme of its own; leave out provider",
    ),
    "auth none and public key": (
        endpoint(f"provider: discord\n    public_key: {'ab' * 32}\n    auth: none"),
        "5: endpoints.a.auth: contradicts the public_key",
    ),
    "mailgun forgets": (
        endpoint("provider: mailgun\n    secret: s\n    idempotency: false"),
        "2: endpoints.a: mailgun signs a token and not the body",
    ),
    "mailgun forgets too soon": (
        endpoint("provider: mailgun\n    secret: s\n    idempotency: {window: 9m}"),
        "2: endpoints.a: mailgun signs a token and not the body",
    ),
    "idempotency misspelt": (
        endpoint("auth: none\n    idempotency: {heder: X}"),
        '4: endpoints.a.idempotency.heder: unknown key; did you mean "header"?',
    ),
    "idempotency window": (
        endpoint("auth: none\n    idempotency: {window: 5}"),
        "4: endpoints.a.idempotency.window: ",
    ),
    # floods
    "rate without unit": (limit("rate_limit: 100"), "4: endpoints.a.rate_limit: is not a rate"),
    "rate a day": (limit("rate_limit: 9/d"), "4: endpoints.a.rate_limit: is not a rate; write"),
    "rate of nothing": (limit("rate_limit: 0/s"), "4: endpoints.a.rate_limit: is not a rate"),
    "null rate": (limit("rate_limit:"), "4: endpoints.a.rate_limit: has no value"),
    "rates": (limit("rate_limit_per_ip: [1/s]"), "4: endpoints.a.rate_limit_per_ip: is not a"),
    "burst of none": (
        limit("rate_limit: {rate: 1/s, burst: 0}"),
        "4: endpoints.a.rate_limit: needs a burst of at least 1",
    ),
    "burst as text": (
        limit("rate_limit: {rate: 1/s, burst: x}"),
        "4: endpoints.a.rate_limit: needs a whole number as its burst",
    ),
    "bursts": (
        limit("rate_limit: {rate: 1/s, bursts: 3}"),
        "4: endpoints.a.rate_limit: is not a rate",
    ),
    "host bits": (limit("allow_ips: [10.0.0.1/8]"), "4: endpoints.a.allow_ips[0]: "),
    "host name": (limit("allow_ips: [localhost]"), "4: endpoints.a.allow_ips[0]: "),
    "no connections": ("server: {max_connections: 0}", "1: server.max_connections: must be"),
    "admin token": (
        "admin:\n  listen: 0.0.0.0:8081",
        "2: admin.listen: is open to other machines, and there is no admin.token",
    ),
    # A file with an empty line at its end gives such a one: no client could send it.
    "admin token with a line break": (
        'admin:\n  token: "abcdefgh\\n"',
        "2: admin.token: has a character that cannot stand in a header",
    ),
    "admin token with a space": (
        'admin:\n  token: " abcdefgh"',
        "2: admin.token: must not begin or end with a space",
    ),
    "admin on public": ("admin:\n  listen: 127.0.0.1:8080", "2: admin.listen: is the same as"),
    # endpoints and links
    "bad slug": ("endpoints:\n  my slug: {auth: none}", '2: endpoints["my slug"]: is no name'),
    "bad id": (endpoint("auth: none\n    id: x"), "4: endpoints.a.id: is not a UUID"),
    "same id": (
        f"endpoints:\n  a: {{auth: none, id: {UUID}}}\n  b: {{auth: none, id: {UUID.upper()}}}",
        "3: endpoints.b.id: is the id of endpoints.a too",
    ),
    "bad path": (
        endpoint("auth: none\n    event_type_path: a..b"),
        "4: endpoints.a.event_type_path",
    ),
    "active": (
        endpoint("auth: none\n    active: 1"),
        "4: endpoints.a.active: must be true or false",
    ),
    "unknown destination": (
        endpoint("auth: none\n    destinations:\n    - cmr"),
        '5: endpoints.a.destinations[0]: unknown destination "cmr"; did you mean "crm"?',
    ),
    "unknown in full": (
        endpoint("auth: none\n    destinations:\n    - to: zzz"),
        '5: endpoints.a.destinations[0].to: unknown destination "zzz"; known: "crm"',
    ),
    "empty to": (
        endpoint("auth: none\n    destinations: [{to: ''}]"),
        "4: endpoints.a.destinations[0].to: must not be empty",
    ),
    "linked twice": (
        endpoint("auth: none\n    destinations:\n    - crm\n    - to: crm"),
        "6: endpoints.a.destinations[1].to: leads where endpoints.a.destinations[0] leads",
    ),
    "transform": (
        endpoint("auth: none\n    destinations: [{to: crm, transform: '{'}]"),
        "4: endpoints.a.destinations[0].transform: is not a valid JSONata expression; ",
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_one_problem_at_its_line(text, expected):
    assert_one_problem(text, expected)


def test_a_wrong_provider_hides_nothing_and_is_hidden_by_nothing():
    found = problems(endpoint("provider: strpe\n    rate_limit: 5\n    filter: {bdy.x: 1}"))
    assert [line.split(": ")[1] for line in found] == [
        "endpoints.a.provider",
        "endpoints.a.rate_limit",
        "endpoints.a.filter",
    ]


def test_everything_at_once_in_the_order_of_the_file():
    found = problems(
        """\
        server: {listen: x}
        endpoints:
          a: {secret: "${NOPE}", destinations: [cmr]}
          a: {}
          b: {}
        destinations:
          crm: {url: nonsense, timeout: 1}
        hedader_prefix: x
        """
    )
    assert [line.split(": ")[0:2] for line in found] == [
        ["c.yaml:1", "server.listen"],
        ["c.yaml:3", "endpoints.a.destinations[0]"],
        ["c.yaml:3", "endpoints.a.secret"],
        ["c.yaml:4", "endpoints.a"],
        ["c.yaml:5", "endpoints.b"],
        ["c.yaml:7", "destinations.crm.timeout"],
        ["c.yaml:7", "destinations.crm.url"],
        ["c.yaml:8", "hedader_prefix"],
    ]


def test_what_is_wrong_with_a_proof_is_said_beside_wrong_fields():
    found = problems(
        """\
        endpoints:
          a:
            secret: s
            tolerance: 5
            rate_limit: 5
            public_key: k
            webhook_id: w
          b: {secret: s, signature: {header: X, path: y, timestamp_header: T}, body: x}
          c: {secret: [""], signature: {header: X, template: nothing}}
          d: {provider: standard-webhooks, secret: "${NOPE}", webhook_id: w}
          e: {provider: mailgun, secret: s, idempotency: {header: X}, active: 7}
          f: {provider: [], secret: s, public_key: k}
        """
    )
    assert [line.removeprefix("c.yaml:").split(";")[0] for line in found] == [
        "2: endpoints.a: provider generic has no use for public_key",
        "2: endpoints.a: provider generic has no use for webhook_id",
        "4: endpoints.a.tolerance: a duration needs a unit",
        "5: endpoints.a.rate_limit: is not a rate",
        "8: endpoints.b: signature needs either header or path, or query or basic: one of them",
        "8: endpoints.b: the template does not sign the timestamp",
        '8: endpoints.b.body: must be "json", "form" or "any", not "x"',
        "9: endpoints.c: the template signs nothing of the request",
        "9: endpoints.c.secret[0]: must not be empty",
        "10: endpoints.d: provider standard-webhooks has no use for webhook_id",
        "10: endpoints.d.secret: the environment variable NOPE is not set",
        "11: endpoints.e: mailgun signs a token and not the body, so each token must be remembered",
        "11: endpoints.e.active: must be true or false",
        "12: endpoints.f.provider: must be text",
    ]


def test_config_problems_are_a_usage_error():
    assert issubclass(ConfigProblems, DispatchdError)
    assert ConfigProblems.exit_code == 2


def test_problems_are_none_in_a_config_of_defaults():
    assert isinstance(parse("header_prefix: dispatch"), Config)


def test_a_list_of_known_names_that_was_cut_says_so():
    """It named twelve keys as if there were no more, and the missing `url` was not among them."""
    names = [chr(ord("a") + n) * 3 for n in range(22)]
    assert str(nearest("9", names)).endswith('"ttt" and 2 more')
    assert str(nearest("9", names[:20])).endswith('"ttt"')


def test_a_section_misspelt_is_the_one_problem():
    """Each name that would be in it was told of too, before the misspelling itself."""
    text = """\
endpoints: {a: {auth: none, destinations: [{to: team, template: issue}]}}
templats: {issue: {default: {title: x}}}
destinatons: {team: {type: ntfy, topic: x}}
alerts: [{to: team, on: [delivery_failed]}]
"""
    assert problems(text) == [
        'c.yaml:2: templats: unknown key; did you mean "templates"?',
        'c.yaml:3: destinatons: unknown key; did you mean "destinations"?',
    ]
    text = """\
endpionts: {b: {auth: none}}
destinations: {d: {type: ntfy, topic: x}}
alerts: [{to: d, on: [quiet], quiet: {b: 1h}}]
"""
    assert problems(text) == ['c.yaml:1: endpionts: unknown key; did you mean "endpoints"?']


@pytest.mark.parametrize(
    ("kind", "near"), [("lane_hold", "lane_held"), ("quite", "quiet"), ("zzz", None)]
)
def test_of_a_few_words_the_nearest_is_suggested(kind, near):
    text = f"destinations: {{d: {{type: ntfy, topic: x}}}}\nalerts: [{{to: d, on: [{kind}]}}]\n"
    (problem,) = problems(text)
    assert ("did you mean" in problem) == (near is not None)
    assert near is None or problem.endswith(f'did you mean "{near}"?')
