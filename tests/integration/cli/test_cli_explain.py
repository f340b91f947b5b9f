"""`explain` answers why an event did, or did not, arrive."""

import base64
import hashlib
import hmac
import json
import shlex
import time

import pytest

CONFIG = """
storage: {{url: 'sqlite:///{database}'}}
endpoints:
  my-slug:
    provider: github
    secret: [old-secret, s3cret-value]
    event_type_path: action
    filter: {{body.action: [opened, closed]}}
    destinations:
      - {{to: crm, transform: '{{"did": action}}'}}
      - {{to: audit, event_types: [closed]}}
      - {{to: broken, transform: 'nothing.here'}}
  off: {{auth: none, active: false}}
destinations:
  crm: {{url: 'https://crm.example.com/in?token=hidden'}}
  audit: {{url: 'http://127.0.0.1:9/'}}
  broken: {{url: 'http://127.0.0.1:9/'}}
"""
BODY = b'{"action":"opened"}'


@pytest.fixture
def explaining(world):
    world.config.write_text(CONFIG.format(database=world.database))
    return world


def signed(body: bytes, secret: str = "s3cret-value") -> str:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"X-Hub-Signature-256: sha256={digest}"


def dry_run(world, body: bytes, *options: str):
    path = world.directory / "body"
    path.write_bytes(body)
    return world.dispatchd("explain", "my-slug", path, *options)


def test_a_dry_run_tells_every_step(explaining):
    told = dry_run(
        explaining, BODY, "--header", signed(BODY), "--header", "X-GitHub-Delivery: d-1", "--json"
    ).json()
    assert told["verified"] == {"ok": True, "by": "github[1]", "why": None}
    assert told["event_type"] == {"value": "opened", "from": "path action"}
    assert told["idempotency_key"] == "d-1"
    assert (told["status"], told["filtered_by"]) == ("received", None)
    links = {link["destination"]: link for link in told["links"]}
    assert links["crm"]["url"] == "https://crm.example.com"
    assert (links["crm"]["transform"], links["crm"]["body"]) == ("applied", '{"did":"opened"}')
    assert (links["audit"]["goes"], links["audit"]["turned_away_by"]) == (False, "event_types")
    assert links["broken"]["transform"] == "failed, original sent: it yielded nothing"
    assert links["broken"]["body"] == BODY.decode()


def test_it_is_readable_and_holds_no_secret(explaining):
    kind = "X-GitHub-Event: issues"
    ran = dry_run(explaining, BODY, "--header", signed(BODY), "--header", kind)
    assert ran.code == 0
    assert "Verified    by github[1]" in ran.out
    assert "from header X-GitHub-Event" in ran.out
    assert "To audit: no, turned away by its event_types" in ran.out
    for secret in ("s3cret", "hidden", "\x1b"):
        assert secret not in ran.out


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        (BODY, (), "Verified    no, 401: unauthenticated"),
        (BODY, ("--header", signed(BODY, "wrong")), "Verified    no, 401: invalid_signature"),
        (b"{", ("--header", signed(b"{")), "refused, 400"),
        (
            b'{"action":"edited"}',
            ("--header", signed(b'{"action":"edited"}')),
            "filtered by filter",
        ),
    ],
)
def test_why_it_would_not_arrive(explaining, body, options, said):
    assert said in dry_run(explaining, body, *options).out


def test_an_unsigned_dry_run_is_told_to_the_end(explaining):
    told = dry_run(explaining, BODY, "--json").json()
    assert (told["verified"]["ok"], told["status"]) == (False, "refused")
    assert [link["goes"] for link in told["links"]] == [True, False, True]
    assert "Status      refused; were it not, received" in dry_run(explaining, BODY).out
    away = dry_run(explaining, b'{"action":"edited"}').out
    assert "Status      refused; were it not, filtered by filter" in away


FILTERS = """
endpoints:
  my-slug:
    auth: none
    event_type_path: action
    filter: {body.action: "o*"}
    allow_ips: [192.0.2.0/24]
    destinations:
      - {to: crm, filter: 'body.n > 100'}
      - {to: audit, filter: {body.n: [1, 2], source_ip: "192.0.2.*"}}
      - {to: broken, event_types: ["open*"], filter: {body.n: 1}}
destinations:
  crm: {url: 'http://127.0.0.1:9/'}
  audit: {url: 'http://127.0.0.1:9/', event_types: [opened]}
  broken: {url: 'http://127.0.0.1:9/', event_types: [closed]}
"""


def test_what_each_filter_and_list_said(explaining):
    explaining.config.write_text(FILTERS)
    told = dry_run(explaining, b'{"action":"opened","n":7}', "--json").json()
    assert told["filter"] == "lets it through"
    links = {link["destination"]: link for link in told["links"]}
    assert links["crm"]["filter"] == "turns it away: the expression is false"
    assert links["crm"]["event_types"] is None
    assert links["audit"]["filter"] == "turns it away: body.n is 7"
    assert links["audit"]["event_types"] == "let it through: opened (of destinations.audit)"
    assert links["broken"]["filter"] == "is not asked"
    assert links["broken"]["event_types"] == (
        "turn it away: closed (of destinations.broken); open* (of the link to broken)"
    )
    told = dry_run(explaining, b'{"action":"opened"}', "--json").json()
    assert told["links"][0]["filter"] == "failed, so the event goes on: it yielded nothing"
    said = dry_run(explaining, b'{"action":"edited"}').out
    assert 'Filter      turns it away: body.action is "edited"' in said


def test_where_it_comes_from(explaining):
    explaining.config.write_text(FILTERS)
    body = b'{"action":"opened","n":2}'
    told = dry_run(explaining, body, "--source-ip", "192.0.2.7", "--json").json()
    assert told["admitted"] is True
    assert told["links"][1]["goes"] is True
    said = dry_run(explaining, body, "--source-ip", "198.51.100.1").out
    assert "Address     not in allow_ips, 403" in said
    assert "Status      refused; were it not, filtered by crm: filter" in said
    event = explaining.add("crm")
    assert explaining.dispatchd("explain", event.id, "--source-ip", "192.0.2.7").code == 2


def test_a_query_that_is_signed(explaining):
    explaining.config.write_text(
        "endpoints: {my-slug: {provider: twilio, secret: s, url: 'https://h.example/a'}}\n"
    )
    query = f"bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    value = hmac.digest(b"s", f"https://h.example/a?{query}".encode(), "sha1")
    given = ("--header", f"X-Twilio-Signature: {base64.b64encode(value).decode()}")
    assert "no, 401" in dry_run(explaining, BODY, *given).out
    assert "Verified    by twilio[0]" in dry_run(explaining, BODY, *given, "--query", query).out


def test_what_serve_would_not_take(explaining):
    explaining.config.write_text(
        "server: {max_body: 100B}\n"
        "endpoints: {my-slug: {auth: none, destinations: [crm]}}\n"
        "destinations: {crm: {url: 'http://127.0.0.1:9/'}}\n"
    )
    assert "refused, 413" in dry_run(explaining, b"[%s]" % (b" " * 100)).out
    assert dry_run(explaining, BODY, "--source-ip", "banana").code == 2
    explaining.config.write_text(
        "endpoints: {my-slug: {auth: none, destinations: [crm]}}\n"
        "destinations: {crm: {url: 'http://127.0.0.1:9/'}}\n"
    )
    assert "(3002 bytes in all)" in dry_run(explaining, b"[%s]" % (b" " * 3000)).out


def test_a_handshake_is_no_event(explaining):
    explaining.config.write_text(
        "endpoints: {my-slug: {provider: slack, secret: s, destinations: [crm]}}\n"
        "destinations: {crm: {url: 'http://127.0.0.1:9/'}}\n"
    )
    body = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY"}'
    now = str(int(time.time()))
    digest = hmac.new(b"s", b"v0:" + now.encode() + b":" + body, hashlib.sha256).hexdigest()
    given = ("--header", f"X-Slack-Request-Timestamp: {now}")
    given += ("--header", f"X-Slack-Signature: v0={digest}")
    assert "Status      a handshake, answered 200 at once" in dry_run(explaining, body, *given).out


def test_a_handshake_without_proof_is_one_for_explain_too(explaining):
    """The receiver answered it, and explain called the same request refused."""
    explaining.config.write_text(
        "endpoints: {my-slug: {provider: notion, secret: s, destinations: [crm]}}\n"
        "destinations: {crm: {url: 'http://127.0.0.1:9/'}}\n"
    )
    ran = dry_run(explaining, b'{"verification_token":"secret_t"}')
    assert "Status      a handshake, answered 200 at once" in ran.out
    assert "secret_t" not in ran.out
    assert "refused" in dry_run(explaining, b'{"type":"page.created"}').out


def test_a_header_that_the_config_names_is_where_the_type_stands(explaining):
    explaining.config.write_text(
        "endpoints: {my-slug: {auth: none, event_type_header: X-Kind, destinations: [crm]}}\n"
        "destinations: {crm: {url: 'http://127.0.0.1:9/'}}\n"
    )
    given = ("--header", "X-Kind: a", "--header", "X-GitHub-Event: b", "--json")
    told = dry_run(explaining, BODY, *given).json()
    assert told["event_type"] == {"value": "a", "from": "header X-Kind"}


def test_a_stored_event_is_judged_by_the_headers_it_came_with(explaining):
    explaining.config.write_text(
        f"storage: {{url: 'sqlite:///{explaining.database}'}}\n"
        "endpoints: {my-slug: {auth: none, filter: {headers.content-type: '*utf-8'}}}\n"
    )
    event = explaining.add(headers=(("Content-Type", "application/json; charset=utf-8"),))
    told = explaining.dispatchd("explain", event.id, "--json").json()
    assert told["status"] == "received"


def test_a_stored_event(explaining):
    event = explaining.add("crm", auth="github[1]", headers=(("X-GitHub-Event", "issues"),))
    explaining.lanes("crm")
    explaining.fail(event, "crm")
    told = explaining.dispatchd("explain", event.id, "--json").json()
    assert told["verified"]["by"] == "github[1]"
    assert told["event_type"] == {"value": "issues", "from": "header X-GitHub-Event"}
    (delivery,) = told["deliveries"]
    assert (delivery["status"], delivery["attempts"][-1]["error"]) == ("failed", "http_error")
    shown = explaining.dispatchd("show", event.id, "--json").json()
    assert told["deliveries"] == shown["deliveries"]  # one shape, whoever tells of it
    assert "Delivery to crm: failed" in explaining.dispatchd("explain", event.id).out


def test_an_endpoint_without_a_file(explaining):
    ran = explaining.dispatchd("explain", "my-slug")
    assert ran.code == 0
    for told in (
        "Takes       POST /hooks/my-slug on 127.0.0.1:8080",
        "Provider    github",
        "Proof       one by any of 2 secrets",
        "To          crm at https://crm.example.com (transform)",
        "To          audit at http://127.0.0.1:9 (event types closed)",
        "curl -X POST http://127.0.0.1:8080/hooks/my-slug",
        "X-Hub-Signature-256: sha256=",
    ):
        assert told in ran.out
    for secret in ("s3cret", "old-secret", "hidden"):
        assert secret not in ran.out
    told = explaining.dispatchd("explain", "my-slug", "--json").json()
    assert [link["destination"] for link in told["links"]] == ["crm", "audit", "broken"]
    assert "not active" in explaining.dispatchd("explain", "off").out
    assert "-X POST" in explaining.dispatchd("explain", "off").out


def test_the_example_of_an_endpoint_is_one_that_it_takes(explaining):
    """Its very bytes and headers, in a dry run of the same endpoint."""
    words = shlex.split(explaining.dispatchd("explain", "my-slug", "--json").json()["example"])
    words = [word for word in words if word.strip()]
    headers = [words[i + 1] for i, word in enumerate(words) if word == "-H"]
    body = words[words.index("-d") + 1].encode()
    given = [part for header in headers for part in ("--header", header)]
    assert dry_run(explaining, body, *given, "--json").json()["verified"]["ok"] is True


@pytest.mark.parametrize(
    ("keys", "told", "untold"),
    [
        ("{provider: gitlab, secret: top-secret}", "X-Gitlab-Token: THE-SECRET", "top-secret"),
        (f"{{provider: discord, public_key: '{'11' * 32}'}}", "Bearer THE-API-KEY", "1111"),
        ("{auth: none}", "none is asked for: anybody may send", "X-"),
    ],
)
def test_an_example_where_nothing_can_be_signed(explaining, keys, told, untold):
    explaining.config.write_text(f"server: {{listen: '127.0.0.1:0'}}\nendpoints: {{a: {keys}}}\n")
    out = explaining.dispatchd("explain", "a").out
    assert told in out
    assert untold not in out
    assert "http://127.0.0.1:PORT/hooks/a" in out


def test_a_slug_comes_before_the_beginning_of_an_id(explaining):
    event = explaining.add("crm")
    explaining.config.write_text(
        f"storage: {{url: 'sqlite:///{explaining.database}'}}\n"
        f"endpoints: {{'{event.id[:4]}': {{auth: none}}, latest: {{auth: none}}}}\n"
    )
    for slug in (event.id[:4], "latest"):
        assert f"Endpoint    {slug}" in explaining.dispatchd("explain", slug).out
    assert explaining.dispatchd("explain", event.id[:6], "--json").json()["event_id"] == event.id


def test_what_cannot_be_explained(explaining):
    explaining.add("crm")
    unknown = explaining.dispatchd("explain", "0198c0de-0000-7000-8000-000000000001")
    assert (unknown.code, "there is no event" in unknown.err) == (1, True)
    assert explaining.dispatchd("explain", "not-an-id").code == 2
    path = explaining.directory / "body"
    path.write_bytes(BODY)
    mistyped = explaining.dispatchd("explain", "my-slag", path)
    assert (mistyped.code, "my-slug" in mistyped.err) == (2, True)
    assert "not active" in explaining.dispatchd("explain", "off", path).out
    gone = explaining.add(endpoint="gone")
    assert "has left the config" in explaining.dispatchd("explain", gone.id).out


def test_a_fault_of_ours_is_told_from_an_expressions(explaining, monkeypatch):
    explaining.config.write_text(FILTERS)
    monkeypatch.setattr("sys.executable", "/bin/false")
    told = dry_run(explaining, b'{"action":"opened","n":7}', "--json").json()
    assert told["links"][0]["filter"].startswith("was not asked, so the event goes on: no process")
    explaining.config.write_text(CONFIG.format(database=explaining.database))
    told = dry_run(explaining, BODY, "--json").json()
    links = {link["destination"]: link for link in told["links"]}
    assert links["crm"]["transform"].startswith("not evaluated, to be tried again: no process")
    assert "body" not in links["crm"]


FORWARDING = """
storage: {{url: 'sqlite:///{database}'}}
endpoints:
  my-slug:
    provider: github
    secret: s3cret-value
    destinations:
      - to: crm
        transform: >-
          {{"as": $event_type, "at": $endpoint, "id": $headers.`x-github-delivery`,
          "proof": $headers.`X-Hub-Signature-256`}}
      - plain
destinations:
  crm:
    url: 'https://crm.example.com/in'
    headers: {{Authorization: "Bearer hidden-token"}}
    forward_headers: ["X-GitHub-*", X-Hub-Signature-256]
    signing_secret: whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=
  plain: {{url: 'http://127.0.0.1:9/'}}
"""


def test_the_names_of_the_headers_and_no_value(explaining):
    explaining.config.write_text(FORWARDING.format(database=explaining.database))
    given = [signed(BODY), "X-GitHub-Event: issues", "X-GitHub-Delivery: d-1"]
    options = [word for line in given for word in ("--header", line)]
    ran = dry_run(explaining, BODY, *options, "--json")
    links = {link["destination"]: link for link in ran.json()["links"]}
    assert links["crm"]["headers"] == [
        "User-Agent", "Accept-Encoding", "Authorization", "Content-Type", "X-Dispatch-Event-ID",
        "X-Dispatch-Event-Type", "X-Dispatch-Endpoint", "X-Dispatch-Endpoint-ID",
        "X-Dispatch-Attempt", "X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    ]  # fmt: skip
    assert "X-GitHub-Event" not in links["plain"]["headers"]
    assert json.loads(links["crm"]["body"]) == {"as": "issues", "at": "my-slug", "id": "d-1"}
    text = dry_run(explaining, BODY, *options).out
    assert "  headers User-Agent, " in text
    for out in (ran.out, text):
        assert "hidden-token" not in out
        assert signed(BODY).partition("=")[2] not in out


MESSAGES = """
endpoints:
  my-slug: {auth: none, event_type_path: action, destinations: [chat]}
destinations:
  chat: {type: slack, url: 'http://127.0.0.1:9/services/T0/B0/hidden-token'}
"""


def test_what_would_be_said(explaining):
    explaining.config.write_text(MESSAGES)
    body = b'{"title":"It is \\u001b[31mdone","status":"failed","action":"opened"}'
    (link,) = dry_run(explaining, body, "--json").json()["links"]
    assert link["message"] == {
        "title": "It is \x1b[31mdone",
        "description": "",
        "url": None,
        "fields": [{"name": "Status", "value": "failed"}],
        "kind": "failure",
        "footer": "my-slug · opened",
    }
    assert "body" not in link
    shown = dry_run(explaining, body).out
    assert "  would say It is \\x1b[31mdone (failure)\n  Status: failed\n" in shown
    assert "would send" not in shown
    assert "hidden-token" not in shown
