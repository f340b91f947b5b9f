"""`explain` answers why an event did, or did not, arrive."""

import hashlib
import hmac

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


def test_a_stored_event(explaining):
    event = explaining.add("crm", auth="github[1]", headers=(("X-GitHub-Event", "issues"),))
    explaining.lanes("crm")
    explaining.fail(event, "crm")
    told = explaining.dispatchd("explain", event.id, "--json").json()
    assert told["verified"]["by"] == "github[1]"
    assert told["event_type"] == {"value": "issues", "from": "header X-GitHub-Event"}
    (delivery,) = told["deliveries"]
    assert (delivery["status"], delivery["last_error"]) == ("failed", "http_error")
    assert "Delivery to crm: failed" in explaining.dispatchd("explain", event.id).out


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
