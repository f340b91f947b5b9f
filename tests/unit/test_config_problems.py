"""Each thing that can be wrong in a config: its line, its key, its words, no secret."""

import textwrap
from itertools import pairwise

import pytest
import yaml

from dispatchd.config import Config, ConfigProblems, document, parse
from dispatchd.errors import DispatchdError

SECRET = "hunter2"
UUID = "7b0c0000-0000-4000-8000-000000000001"
TAIL = "\ndestinations: {crm: {url: 'http://h/'}}\n"


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        parse(textwrap.dedent(text), "c.yaml", environ or {})
    return [str(problem) for problem in caught.value.problems]


def endpoint(keys: str) -> str:
    return f"endpoints:\n  a:\n    {keys}" + TAIL


def limit(key: str) -> str:
    return endpoint(f"auth: none\n    {key}")


def destination(keys: str) -> str:
    return f"destinations:\n  d:\n    url: http://h/\n    {keys}\n"


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
    # values
    "duration": (destination("timeout: 3 weeks"), "4: destinations.d.timeout: is not a duration"),
    "bare number": (
        destination("timeout: 30"),
        '4: destinations.d.timeout: a duration needs a unit; write "30s"',
    ),
    "forever": (destination("timeout: 999999999999d"), "4: destinations.d.timeout: is longer than"),
    "size": ("server:\n  max_body: 10M", "2: server.max_body: is not a size"),
    "in flight": (destination("max_in_flight: 0"), "4: destinations.d.max_in_flight: must be"),
    "true is no number": (
        destination("max_in_flight: true"),
        "4: destinations.d.max_in_flight: must be a number",
    ),
    "jitter": (destination("retry: {jitter: 2}"), "4: destinations.d.retry.jitter: must be"),
    "no backoff": (
        destination("retry: {backoff: []}"),
        "4: destinations.d.retry.backoff: must hold",
    ),
    "backoff item": (
        destination("retry:\n      backoff:\n      - 1s\n      - 5"),
        "7: destinations.d.retry.backoff[1]: a duration needs a unit",
    ),
    "listen": ("server:\n  listen: 8080", "2: server.listen: is not a listener"),
    "IPv6 bare": ("server:\n  listen: '::1:8080'", "2: server.listen: an IPv6 address stands in"),
    "proxies": (
        "server:\n  trusted_proxies:\n  - 10.0.0.1/8",
        "3: server.trusted_proxies[0]: is not an address or network",
    ),
    "storage": ("storage:\n  url: postgres://h", "2: storage.url: must be sqlite:///"),
    "memory": ("storage:\n  url: 'sqlite:///:memory:'", "2: storage.url: must name a file"),
    "prefix": ("header_prefix: a b", "1: header_prefix: must be letters"),
    "huge number": ("header_prefix: " + "9" * 9000, "1: header_prefix: is not a number"),
    "url scheme": (
        "destinations:\n  d:\n    url: ftp://h",
        "3: destinations.d.url: must begin with",
    ),
    "url metadata": (
        "destinations:\n  d:\n    url: 'http://[::ffff:169.254.169.254]/'",
        "3: destinations.d.url: is a link-local or metadata address",
    ),
    "url host": (
        "destinations:\n  d:\n    url: http://a..b",
        "3: destinations.d.url: is not a URL",
    ),
    "url bracket": ("destinations:\n  d:\n    url: 'http://[::1'", "3: destinations.d.url: is not"),
    "url fragment": (
        "destinations:\n  d:\n    url: 'http://h/?a#b'",
        "3: destinations.d.url: must not",
    ),
    "url socket": (
        "destinations:\n  d:\n    url: http+unix://run%2Fapp.sock/",
        "3: destinations.d.url: must name a socket by its absolute path",
    ),
    "url socket and proxy": (
        "destinations:\n  d:\n    url: http+unix://%2Frun%2Fapp.sock/\n    proxy: none",
        "2: destinations.d: its url is a local socket",
    ),
    "url user twice": (
        "destinations:\n  d:\n    url: http://u:p@h/\n    headers: {authorization: Bearer x}",
        "2: destinations.d: has a user in its url, and an Authorization header",
    ),
    "url private": (
        "destinations:\n  d:\n    url: http://[::1]/\n    allow_private: false",
        "2: destinations.d: its url names a private address",
    ),
    "proxy": (destination("proxy: socks5://p:1"), "4: destinations.d.proxy: is no proxy; write"),
    "proxy path": ("proxy: http://p/x", "1: proxy: is no proxy; write"),
    "tls ca": (
        destination("tls: {ca: /no/such}"),
        "4: destinations.d.tls.ca: cannot be read: No such file",
    ),
    "tls no ca": (
        destination("tls: {ca: /dev/null}"),
        "4: destinations.d.tls.ca: does not hold authorities in PEM",
    ),
    "tls cert": (
        destination("tls: {cert: /dev/null}"),
        "4: destinations.d.tls: does not hold a certificate and its key",
    ),
    "tls key": (destination("tls: {key: /k}"), "4: destinations.d.tls: has a key without its"),
    "header name": (destination("headers: {'a b': c}"), '4: destinations.d.headers["a b"]: is no'),
    "header ours": (destination("headers: {host: c}"), "4: destinations.d.headers.host: is set by"),
    "header lines": (
        destination('headers: {A: "x\\r\\ny"}'),
        "4: destinations.d.headers.A: has a character",
    ),
    "header twice": (
        destination("headers:\n      A: x\n      a: x"),
        '6: destinations.d.headers.a: is the same header as "A"',
    ),
    "header of a signature": (
        endpoint("secret: s\n    signature:\n      header: 'X Sig'"),
        "5: endpoints.a.signature.header: is no header name",
    ),
    "header of a time": (
        endpoint("secret: s\n    signature:\n      header: X\n      timestamp_header: 'T:'"),
        "6: endpoints.a.signature.timestamp_header: is no header name",
    ),
    "header that is signed": (
        endpoint("secret: s\n    signature:\n      header: X\n      template: '{header.X Id}'"),
        "6: endpoints.a.signature.template: is no header name",
    ),
    "header of a key": (
        endpoint('secret: s\n    idempotency: {header: "X\\r\\nY"}'),
        "4: endpoints.a.idempotency.header: is no header name",
    ),
    "header of a filter": (
        endpoint("secret: s\n    filter: {'headers.X Y': 1}"),
        '4: endpoints.a.filter: "headers.X Y" is no header name',
    ),
    "at least": (
        destination("retry: {max_attempts: 0}"),
        "4: destinations.d.retry.max_attempts: must be at least 1, not 0",
    ),
    "at most": (
        destination("max_in_flight: 2000"),
        "4: destinations.d.max_in_flight: must be at most 1024, not 2000",
    ),
    "too long": (
        f"api_keys:\n- {{name: {'x' * 65}, hash: 'sha256:{'0' * 64}'}}",
        "2: api_keys[0].name: must have at most 64 characters",
    ),
    "one of several": (
        endpoint("secret: s\n    signature: {header: X, algorithm: md5}"),
        '4: endpoints.a.signature.algorithm: must be "sha256", "sha1" or "sha512", not "md5"',
    ),
    "tag": ("header_prefix: !x y", "1: header_prefix: has a YAML tag"),
    # interpolation
    "unset": (endpoint("secret: ${NOPE}"), "3: endpoints.a.secret: the environment variable NOPE"),
    "no file": (
        endpoint("secret: ${file:/no/such}"),
        "3: endpoints.a.secret: cannot read /no/such: No such file or directory",
    ),
    "relative file": (endpoint("secret: ${file:x}"), "3: endpoints.a.secret: has a ${file:...}"),
    "no name": (endpoint("secret: ${a b}"), "3: endpoints.a.secret: has a ${...} that is neither"),
    "unclosed": (endpoint("secret: ${A"), "3: endpoints.a.secret: has a ${ that is not closed"),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_one_problem_at_its_line(text, expected):
    found = problems(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"c.yaml:{expected}")


def test_a_wrong_provider_hides_nothing_and_is_hidden_by_nothing():
    found = problems(endpoint("provider: strpe\n    rate_limit: 5\n    filter: {bdy.x: 1}"))
    assert [line.split(": ")[1] for line in found] == [
        "endpoints.a.provider",
        "endpoints.a.rate_limit",
        "endpoints.a.filter",
    ]


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


SYNTAX = {
    "tab": ("a:\n\tb: 1", "2:1: is not valid YAML from here on; indent with spaces, not tabs"),
    "NUL": ("a: b\0c", "1:5: has a character that YAML does not allow: U+0000"),
    "surrogate": ("a: \ud800", "1:4: has a character that YAML does not allow: U+D800"),
    "bracket": ("a: [1", "1:4: is not valid YAML: what begins here has no end; close the quote"),
    "brace": ("a: {x: 1\n\n", "1:4: is not valid YAML: what begins here has no end; close"),
    "quote": (f'a: "{SECRET}\nb: 1\n', "1:4: is not valid YAML: what begins here has no end"),
    "brackets": ("a: [1, 2}\nb: 1", "1:9: is not valid YAML from here on; check the indentation"),
    "colon": ("a: b: c", "1:5: is not valid YAML from here on; put a value that holds ': '"),
    "two documents": ("a: 1\n---\nb: 1", "2:1: has a second document; remove the '---'"),
    "alias": (f"a: *{SECRET}", "1:4: is not valid YAML: an anchor that is not there, or is"),
    "twice": (f"a: &{SECRET} 1\nb: &{SECRET} 2", "2:4: is not valid YAML: an anchor that is not"),
    "tag handle": (f"a: !{SECRET}!x y", "1:4: is not valid YAML from here on; put a value that"),
    "at sign": (f"a: @{SECRET}", "1:4: is not valid YAML from here on; put a value that begins"),
    "no name": ("a: &", "1:5: is not valid YAML from here on; put a value that begins with"),
    "deep mappings": ("a: " + "[{x: " * 9_000, "1: is nested deeper than 32 levels"),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(50)), "33: is nested deeper than 32"),
    "list": ("- a", "1: must be a mapping of keys to values at the top level"),
    "deep": ("a: " + "[" * 20_000, "1: is nested deeper than 32 levels"),
    "itself": ("server: &a {x: *a}", "1: has aliases that expand beyond measure"),
    "merges itself": ("server: &a {<<: *a}", "1: has aliases that expand beyond measure"),
}


@pytest.mark.parametrize(("text", "start"), SYNTAX.values(), ids=SYNTAX)
@pytest.mark.parametrize("loader", [document.Loader, yaml.SafeLoader], ids=["fast", "pure"])
def test_what_is_no_yaml_is_one_problem(text, start, loader, monkeypatch):
    """The same whichever parser PyYAML was built with, and whatever words it has for it."""
    monkeypatch.setattr(document, "Loader", loader)
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(f"c.yaml:{start}")
    assert SECRET not in found[0]


@pytest.mark.parametrize("link", ["*{0}", "{{<<: [*{0}]}}"], ids=["aliases", "merges"])
def test_a_billion_laughs(link):
    names = "abcdefghijk"
    rows = ["a: &a {x: 1}"]
    for before, name in pairwise(names):
        many = ",".join([f"*{before}"] * 9)
        rows.append(
            f"{name}: &{name} " + (f"[{many}]" if link.startswith("*") else f"{{<<: [{many}]}}")
        )
    assert "expand beyond measure" in problems("\n".join(rows))[0]


def test_an_empty_file():
    for text in ("", "# nothing\n", "---\n"):
        assert problems(text) == ["c.yaml: is empty; `dispatchd init` writes a starter config"]


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
        "8: endpoints.b: signature needs either header or path",
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


def test_config_problems_are_a_usage_error():
    assert issubclass(ConfigProblems, DispatchdError)
    assert ConfigProblems.exit_code == 2


def test_problems_are_none_in_a_config_of_defaults():
    assert isinstance(parse("header_prefix: dispatch"), Config)


@pytest.mark.parametrize(
    ("retention", "path", "message"),
    [
        ("5", "storage.retention", "a duration needs a unit"),
        ("10ms", "storage.retention", "must be at least 1s"),
        ("[30d]", "storage.retention", "is not a duration"),
        ("{events: 5}", "storage.retention.events", "a duration needs a unit"),
        ("{events: 10ms}", "storage.retention", "`events` must be at least 1s"),
        ("{events: 30d, failed: 7d}", "storage.retention", "must not be shorter than `events`"),
        ("{events: 30d, max_size: 5GiB}", "storage.retention.max_size", "unknown key"),
    ],
)
def test_a_wrong_retention_is_told_where_it_stands(retention, path, message):
    with pytest.raises(ConfigProblems) as caught:
        parse(f"storage: {{retention: {retention}}}", "c.yaml", {})
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message
