"""A plan is read by a child and comes through a pipe: all of it must be data."""

import pickle
import subprocess
import sys

import pytest
from multidict import CIMultiDict
from platforms import PLATFORMS
from speakers import APPRISE, MAIL

from dispatchd.config import parse
from dispatchd.plan.compiling import compile_plan
from dispatchd.verify import Inbound, compile_verifier

ENDPOINTS = {
    "a query": "handshake: {query: challenge}",
    "a condition": "handshake: {body: c, when: {headers.X: y}, unsigned: true, answer_field: c}",
    "a header": "handshake: {header: X-Hook-Secret, answer_header: X-Hook-Secret}",
    "signed": "handshake: {query: crc, sign: hex, prefix: sha256=}",
    "named": "handshake: [head, cloudevents]",
    "shown": "handshake: {show_once: verification_token}",
    "an answer": "answer: {body: ok}, methods: [POST, PUT], event_type_header: X-Kind",
    "a list": "signature: {header: X, list: {timestamp: t}, template: '{timestamp}{body}'}",
    "a provider": "provider: notion",
}


@pytest.mark.parametrize("keys", ENDPOINTS.values(), ids=ENDPOINTS)
def test_a_daemon_starts_whatever_an_endpoint_says(keys: str) -> None:
    """A `handshake` was a function: `check` was content, and `serve` ended with a traceback."""
    plan = compile_plan(parse(f"endpoints: {{a/b: {{secret: s, {keys}}}}}"))
    spec = pickle.loads(pickle.dumps(plan)).routes["a/b"]
    assert spec == plan.routes["a/b"]
    verifier = compile_verifier(spec.auth)
    answer = verifier.handshake(Inbound("GET", CIMultiDict(), "challenge=abc", b"", 0.0), None)
    assert (answer is not None and answer.body == b"abc") == ("query: challenge" in keys)


TYPES = {name: platform.keys for name, platform in PLATFORMS.items()}
TYPES |= {"email": MAIL, "apprise": APPRISE, "webhook": "{url: '{base}/in', headers: {A: b}}"}
RULED = """
endpoints:
  gh:
    provider: github
    secret: s
    destinations:
      - to: d
        template: t
        rules: [{filter: {body.a: 1}, skip: true}, {filter: 'body.b', template: t}]
templates: {t: {default: {title: "{{ body.a }}"}, email: {subject: s, text: "{{ body.b }}"}}}
"""


@pytest.mark.parametrize("name", TYPES)
def test_a_daemon_starts_whatever_the_type_of_a_destination(name: str) -> None:
    speaks = RULED if name != "webhook" else "endpoints: {gh: {secret: s, destinations: [d]}}\n"
    written = f"{speaks}destinations: {{d: {TYPES[name].replace('{base}', 'http://h')}}}\n"
    plan = compile_plan(parse(written))
    came = pickle.loads(pickle.dumps(plan)).lanes["d"]
    assert came.type == plan.lanes["d"].type == name.removesuffix("-bot")
    assert came.links == plan.lanes["d"].links
    assert came.redactor.text("Sekrit-Token1 SekritToken1") == plan.lanes["d"].redactor.text(
        "Sekrit-Token1 SekritToken1"
    )


def test_to_read_a_config_takes_no_http_library() -> None:
    """It was imported before the child was, with every authority: 3 MB and 60 ms of each start."""
    script = (
        "import sys, dispatchd.plan, dispatchd.plan.compiling\n"
        "assert 'aiohttp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_to_read_a_config_looks_for_no_plugin() -> None:
    """One of pydantic's would see every secret."""
    script = (
        "import os\n"
        "from dispatchd.plan.reading import read_config\n"
        "message, _ = read_config('nowhere.yaml')\n"
        "assert message == 'nowhere.yaml: there is no such file', message\n"
        "assert os.environ['PYDANTIC_DISABLE_PLUGINS'] == '1'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_an_admin_section_nothing_of_it_is_imported() -> None:
    script = (
        "import sys, dispatchd.app, dispatchd.cli.serve, dispatchd.plan.compiling\n"
        "found = {m for m in sys.modules if m.startswith(('dispatchd.admin.', 'prometheus'))}\n"
        "assert found <= {'dispatchd.admin.spec'}, found\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_telemetry_nothing_of_it_is_imported() -> None:
    script = (
        "import sys, dispatchd.app, dispatchd.cli.serve, dispatchd.plan.compiling\n"
        "found = {m for m in sys.modules\n"
        "         if m.startswith(('dispatchd.telemetry.', 'opentelemetry', 'requests'))}\n"
        "assert found <= {'dispatchd.telemetry.spec'}, found\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_telemetry_travels_with_its_headers_unshown() -> None:
    text = (
        "telemetry: {endpoint: 'http://x:1', headers: {Authorization: hunter2hunter2}, sample: 0}"
    )
    plan = compile_plan(parse(text))
    came = pickle.loads(pickle.dumps(plan)).telemetry
    assert came.headers == {"Authorization": "hunter2hunter2"}
    assert (came.traces_url, came.sample) == ("http://x:1/v1/traces", 0.0)
    assert came.redactor.text("is hunter2hunter2") == "is ***"
    assert "hunter2" not in repr(plan)


def test_an_admin_listener_travels_with_its_token_unshown() -> None:
    plan = compile_plan(parse("admin: {listen: '[::]:1', token: hunter2hunter2}"))
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert plan.admin is not None
    assert plan.admin.token == b"hunter2hunter2"
    assert "hunter2" not in repr(plan) + plan.admin.config.decode()


def test_a_fingerprint_tells_every_value_apart_and_no_secret() -> None:
    def fingerprint(text: str) -> str:
        admin = compile_plan(parse(text)).admin
        assert admin is not None
        return admin.fingerprint

    base = "admin: {listen: '127.0.0.1:1'}\nendpoints: {a: {secret: %s}}\nheader_prefix: %s"
    known = {fingerprint(base % pair) for pair in (("s", "p"), ("t", "p"), ("s", "q"))}
    assert len(known) == 3
    assert fingerprint(base % ("s", "p")) in known
