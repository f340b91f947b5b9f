"""What can be wrong with one value of a config, written there or filled in: its line, its words."""

import pytest
from configs import assert_one_problem, destination, endpoint

from dispatchd.config import ConfigProblems, parse

CASES = {
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
    "a proxy's header": (
        destination("headers: {Proxy-Authorization: Basic x}"),
        "4: destinations.d.headers.Proxy-Authorization: is a proxy's, not a destination's",
    ),
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
        '4: endpoints.a.signature.algorithm: must be "sha256", "sha1", "sha384", "sha512", ',
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
    assert_one_problem(text, expected)


@pytest.mark.parametrize(
    ("retention", "path", "message"),
    [
        ("5", "storage.retention", "a duration needs a unit"),
        ("10ms", "storage.retention", "must be at least 1s"),
        ("[30d]", "storage.retention", "is not a duration"),
        ("{events: 5}", "storage.retention.events", "a duration needs a unit"),
        ("{events: 10ms}", "storage.retention", "`events` must be at least 1s"),
        ("{events: 30d, failed: 7d}", "storage.retention", "must not be shorter than `events`"),
        ("{max_bytes: 5GiB}", "storage.retention.max_bytes", "unknown key"),
        ("{max_size: 5}", "storage.retention.max_size", "a size needs a unit"),
        ("{max_size: 1KiB}", "storage.retention", "`max_size` must be at least 1MiB"),
        ("{max_size: }", "storage.retention.max_size", "has no value"),
    ],
)
def test_a_wrong_retention_is_told_where_it_stands(retention, path, message):
    with pytest.raises(ConfigProblems) as caught:
        parse(f"storage: {{retention: {retention}}}", "c.yaml", {})
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message
