"""adnanh/webhook's hooks as a config: each part, what has no equal, and no secret copied."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatchd.cli import cli
from dispatchd.cli.adnanh import NotHooks, converted, read_hooks
from dispatchd.config import Config, ConfigProblems, parse
from dispatchd.plan.compiling import compile_plan


def config_of(*hooks: dict[str, Any]) -> tuple[Config, str]:
    made = converted(list(hooks))
    config = parse(made.yaml, environ=dict.fromkeys(made.needs, "0123456789abcdef"))
    compile_plan(config)
    return config, made.yaml


def hook(**keys: Any) -> dict[str, Any]:
    named = {key.replace("_", "-"): value for key, value in keys.items()}
    return {"id": "redeploy", "execute-command": "/srv/redeploy.sh", **named}


def match(kind: str, **keys: Any) -> dict[str, Any]:
    parameter = {"source": keys.pop("source", "payload"), "name": keys.pop("name", "ref")}
    return {"match": {"type": kind, "parameter": parameter, **keys}}


def test_the_usual_hook() -> None:
    config, text = config_of(
        hook(
            command_working_directory="/srv",
            pass_arguments_to_command=[
                {"source": "payload", "name": "head_commit.id"},
                {"source": "payload", "name": "commits.0.author-name"},
                {"source": "string", "name": "--now ${x} {{ y }}"},
                {"source": "header", "name": "X-GitHub-Event"},
            ],
            pass_environment_to_command=[
                {"source": "payload", "name": "ref", "envname": "REF"},
                {"source": "payload", "name": "a.b"},
                {"source": "string", "name": "hunter2", "envname": "API_TOKEN"},
            ],
            trigger_rule={
                "and": [
                    match(
                        "payload-hmac-sha256",
                        source="header",
                        name="X-Hub-Signature-256",
                        secret="hunter2",
                    ),
                    match("value", value="refs/heads/main"),
                ]
            },
        )
    )
    endpoint, destination = config.endpoints["redeploy"], config.destinations["redeploy"]
    assert endpoint.filter == '$string(body.ref) = "refs/heads/main"'
    courier = destination.own_courier()
    assert courier.run == ("/srv/redeploy.sh",)
    assert courier.args == (
        "{{ body.head_commit.id }}",
        '{{ body.commits[0]["author-name"] }}',
        '{{ "--now ${x} {{ y }}" }}',
        '{{ headers["x-github-event"] }}',
    )
    assert dict(courier.env) == {
        "REF": "{{ body.ref }}",
        "HOOK_a_b": "{{ body.a.b }}",
        "API_TOKEN": "0123456789abcdef",
    }
    assert courier.cwd == "/srv"
    assert "hunter2" not in text
    assert "NOTE it was called HOOK_a.b" in text


def header_value(name: str) -> dict[str, Any]:
    return match("value", source="header", name=name, value="hunter2")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (match("value", value="a"), '$string(body.ref) = "a"'),
        ({"not": match("value", value="a")}, '$not($string(body.ref) = "a")'),
        (
            {"or": [match("value", value="a"), match("value", value="b", name="x.0")]},
            '($string(body.ref) = "a" or $string(body.x[0]) = "b")',
        ),
        (
            match("regex", regex="(?i)^refs/tags/"),
            r"($exists(body.ref) and $contains($string(body.ref), /^refs\/tags\//i))",
        ),
        (match("regex", regex=".*"), "$exists(body.ref)"),
        (
            {"not": match("regex", regex="^a")},
            "$not(($exists(body.ref) and $contains($string(body.ref), /^a/)))",
        ),
        (match("regex", regex="(?P<x>a)"), "false"),
        (match("value", value="a", source="url", name="token"), "false"),
        ({"not": match("value", value="a", source="url", name="x")}, "false"),
        (match("value", value="GET", source="request", name="method"), "false"),
        (
            match("value", value="ping", source="header", name="X-Event"),
            '$string($lookup(headers, "x-event")) = "ping"',
        ),
    ],
)
def test_rules_become_a_filter(rule: dict[str, Any], expected: str) -> None:
    config, text = config_of(hook(trigger_rule=rule))
    assert config.endpoints["redeploy"].filter == expected
    assert ("counts as false" in text) == (expected == "false")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            match("payload-hash-sha1", source="header", name="X-Hub-Signature", secret="hunter2"),
            'signature: {header: "X-Hub-Signature", algorithm: sha1, prefix: "sha1="}',
        ),
        (
            match("payload-hmac-sha512", source="header", name="X-Sig", secret="hunter2"),
            'signature: {header: "X-Sig", algorithm: sha512, prefix: ""}',
        ),
        ({"match": {"type": "scalr-signature", "secret": "hunter2"}}, '"{body}{header.Date}"'),
        (
            match("value", source="header", name="X-Gitlab-Token", value="hunter2"),
            "provider: gitlab",
        ),
        (
            match("value", source="url", name="token", value="hunter2"),
            'secret: "${REDEPLOY_SECRET}"',
        ),
        (
            {"match": {"type": "ip-whitelist", "ip-range": "192.168.0.1/24 ::1"}},
            'allow_ips: ["192.168.0.0/24", "::1/128"]',
        ),
        ({"match": {"type": "ip-whitelist", "ip-range": "nowhere"}}, 'filter: "false"'),
        (None, "auth: none"),
    ],
)
def test_what_proves_a_sender(rule: Any, expected: str) -> None:
    _, text = config_of(hook(trigger_rule=rule))
    assert expected in text
    assert "hunter2" not in text


def signed(secret: str, **parameter: Any) -> dict[str, Any]:
    made = match("payload-hmac-sha256", source="header", name="X-Hub-Signature-256", secret=secret)
    made["match"]["parameter"] |= parameter
    return made


def test_of_several_secrets_for_one_signature_any_is_accepted() -> None:
    config, text = config_of(hook(trigger_rule={"or": [signed("one"), signed("two")]}))
    assert 'secret: ["${REDEPLOY_SECRET_1}", "${REDEPLOY_SECRET_2}"]' in text
    assert config.endpoints["redeploy"].filter is None


def test_of_several_signatures_that_must_all_hold_the_first_is_checked() -> None:
    _, text = config_of(hook(trigger_rule={"and": [signed("one"), signed("two")]}))
    assert 'secret: "${REDEPLOY_SECRET}"' in text
    assert "NOTE it asked for several signatures" in text


def test_a_signature_over_headers_too() -> None:
    extra = {"headers-to-add-to-signature-payload": ["Date", "X-Id"]}
    _, text = config_of(hook(trigger_rule=signed("one", **extra)))
    assert 'template: "{body}{header.Date}{header.X-Id}"' in text


def networks(ranges: str) -> dict[str, Any]:
    return {"match": {"type": "ip-whitelist", "ip-range": ranges}}


def test_networks_that_must_all_hold_are_what_they_have_in_common() -> None:
    both = {"and": [networks("10.0.0.0/8 ::1"), networks("10.1.0.0/16 192.168.0.0/16")]}
    _, text = config_of(hook(trigger_rule=both))
    assert 'allow_ips: ["10.1.0.0/16"]' in text


@pytest.mark.parametrize(
    "rule",
    [
        {},
        [],
        "",
        networks(""),
        {"and": [networks("10.0.0.0/8"), networks("192.168.0.0/16")]},
    ],
)
def test_a_rule_that_lets_nothing_run_lets_nothing_run(rule: Any) -> None:
    config, _ = config_of(hook(trigger_rule=rule))
    assert config.endpoints["redeploy"].filter == "false"


GOS_OWN = (
    r"\Aa",
    r"a\z",
    r"^\Qa.b\E$",
    r"^\pL+$",
    r"\PL",
    r"\x{41}",
    r"\a",
    r"\C",
    "[[:alpha:]]",
    "[[:^alpha:]]",
    "a{2,1}",
    "+",
)


@pytest.mark.parametrize("regex", GOS_OWN)
def test_a_regex_that_means_something_else_here_has_no_equal(regex: str) -> None:
    for rule in (match("regex", regex=regex), {"not": match("regex", regex=regex)}):
        config, text = config_of(hook(trigger_rule=rule))
        assert config.endpoints["redeploy"].filter == "false"
        assert "is not one of JSONata's" in text


def test_a_backslash_of_its_own_does_not_make_a_regex_gos() -> None:
    config, _ = config_of(hook(trigger_rule=match("regex", regex=r"a\\pL")))
    assert config.endpoints["redeploy"].filter != "false"


def test_who_filters_by_regex_is_told_what_a_filter_that_fails_does() -> None:
    _, text = config_of(hook(trigger_rule=match("regex", regex="^(a+)+$")))
    assert "NOTE a filter that fails lets its event through" in text


def test_among_rules_that_must_hold_a_missing_value_is_not_another_one() -> None:
    rule = {"and": [{"not": match("value", value="a")}, match("value", value="b", name="x")]}
    config, _ = config_of(hook(trigger_rule=rule))
    assert config.endpoints["redeploy"].filter == (
        '(($exists(body.ref) and $not($string(body.ref) = "a")) and $string(body.x) = "b")'
    )


def test_a_body_that_is_a_list_is_called_root() -> None:
    config, _ = config_of(
        hook(
            pass_arguments_to_command=[{"source": "payload", "name": "root.0.id"}],
            trigger_rule=match("value", value="a", name="root.1.ref"),
        )
    )
    assert config.endpoints["redeploy"].filter == '$string(body[1].ref) = "a"'
    assert config.destinations["redeploy"].own_courier().args == ("{{ body[0].id }}",)


def test_characters_beyond_ascii_are_kept() -> None:
    given = [{"source": "string", "name": "{{ 😀"}, {"source": "payload", "name": "é 😀"}]
    config, _ = config_of(hook(pass_arguments_to_command=given))
    args = config.destinations["redeploy"].own_courier().args
    assert args == ('{{ "{{ 😀" }}', '{{ body["é 😀"] }}')


def test_xml_is_taken_and_told_to_be_unread() -> None:
    config, text = config_of(hook(incoming_payload_content_type="application/xml"))
    assert config.endpoints["redeploy"].body == "any"
    assert "NOTE" in text


@pytest.mark.parametrize(
    "keys",
    [
        {"response-headers": [{"name": "a", "value": "b"}]},
        {"include-command-output-in-response": True},
        {"pass-file-to-command": [{"source": "raw-request-body"}]},
        {"parse-parameters-as-json": [{"source": "payload", "name": "payload"}]},
        {"trigger-rule-mismatch-http-response-code": 400},
        {"http-methods": ["GET"]},
        {"no-such-key": 1},
        {"pass-arguments-to-command": [{"source": "entire-query"}]},
        {"execute-command": "./here.sh"},
        {"execute-command": ""},
        {"id": "a b"},
    ],
)
def test_what_has_no_equal_is_a_comment(keys: dict[str, Any]) -> None:
    _, text = config_of({**hook(), **keys})
    assert "# NOTE " in text


def test_a_hook_without_an_id_is_said_to_have_none() -> None:
    without = {key: value for key, value in hook().items() if key != "id"}
    _, text = config_of(without)
    assert "# NOTE it has no id" in text
    assert "None" not in text


def test_hooks_of_one_name_are_kept_apart() -> None:
    config, _ = config_of(hook(), hook())
    assert list(config.endpoints) == ["redeploy", "redeploy-2"]


def test_json_and_yaml_are_read() -> None:
    hooks = [hook()]
    assert read_hooks(json.dumps(hooks)) == hooks
    assert read_hooks("- id: redeploy\n  execute-command: /srv/redeploy.sh\n") == hooks
    for text in ("{{ getenv }}", "5", "[1]", "a: [", "[" * 100_000, "- &a [*a]"):
        with pytest.raises(NotHooks):
            read_hooks(text)


def test_hooks_within_themselves_or_too_deep_are_told() -> None:
    rule: Any = match("value", value="a")
    for _ in range(5000):
        rule = {"or": [rule]}
    with pytest.raises(NotHooks, match="nest"):
        converted([hook(trigger_rule=rule)])
    for text in ("trigger-rule: &a {or: [*a]}", "pass-arguments-to-command: &a [*a]"):
        with pytest.raises(NotHooks, match="nest"):
            read_hooks(f"id: x\n{text}\n")


def test_the_command_names_what_is_to_be_set_and_no_value() -> None:
    signed = match("payload-hmac-sha1", source="header", name="X-S", secret="hunter2")
    hooks = json.dumps([hook(trigger_rule=signed)])
    ran = CliRunner().invoke(cli, ["import", "adnanh", "-"], input=hooks)
    assert ran.exit_code == 0
    assert "REDEPLOY_SECRET: the secret of the hook redeploy" in ran.output
    assert "hunter2" not in ran.output


WORDS = "and or not match type value regex secret parameter source name envname"
KINDS = "value regex payload header string payload-hmac-sha1 request entire-payload"
KEYS = (
    "id execute-command command-working-directory response-headers http-methods trigger-rule"
    " pass-arguments-to-command pass-environment-to-command incoming-payload-content-type"
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 999) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS.split()), inner | st.sampled_from(KINDS.split()), max_size=5
        )
    ),
    max_leaves=12,
)
_hook = st.dictionaries(st.sampled_from(KEYS.split()), _values, max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(_hook, max_size=3))
def test_whatever_is_converted_is_yaml_of_known_keys(hooks: list[dict[str, Any]]) -> None:
    made = converted(hooks)
    try:
        parse(made.yaml, environ=dict.fromkeys(made.needs, "0123456789abcdef"))
    except ConfigProblems as error:
        # What a hook cannot have meant is told by the check, of the values that it had.
        told = str(error)
        assert "unknown key" not in told
        assert "YAML" not in told
