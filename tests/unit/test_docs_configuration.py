"""docs/configuration.md and config.example.yaml hold every key of the config, and no other."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatchd.config import (
    AdminConfig,
    AlertConfig,
    AnswerConfig,
    ApiKeyConfig,
    BacklogAlertConfig,
    BodyHashConfig,
    BreakerConfig,
    Config,
    DiskLowConfig,
    EndpointConfig,
    HandshakeConfig,
    IdempotencyConfig,
    JwtConfig,
    LinkConfig,
    ListConfig,
    RefusedConfig,
    RetentionConfig,
    RetryConfig,
    RuleConfig,
    ServerConfig,
    SignatureConfig,
    SigningConfig,
    SourceErrorsConfig,
    StorageConfig,
    TelemetryConfig,
    TlsConfig,
    WebhookConfig,
    json_schema,
    parse,
)

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
ENVIRON = {"DISPATCHD_ADMIN_TOKEN": "t", "AUDIT_TOKEN": "t", "CRM_TOKEN": "t"}
SECTIONS = {
    "Top level": Config,
    "server": ServerConfig,
    "admin": AdminConfig,
    "storage": StorageConfig,
    "telemetry": TelemetryConfig,
    "retention": RetentionConfig,
    "api_keys": ApiKeyConfig,
    "endpoints": EndpointConfig,
    "signature": SignatureConfig,
    "jwt": JwtConfig,
    "body_hash": BodyHashConfig,
    "list": ListConfig,
    "handshake": HandshakeConfig,
    "refused": RefusedConfig,
    "answer": AnswerConfig,
    "idempotency": IdempotencyConfig,
    "links": LinkConfig,
    "rules": RuleConfig,
    "destinations": WebhookConfig,
    "tls": TlsConfig,
    "signing": SigningConfig,
    "retry": RetryConfig,
    "breaker": BreakerConfig,
    "alerts": AlertConfig,
    "backlog": BacklogAlertConfig,
    "source_errors": SourceErrorsConfig,
    "disk_low": DiskLowConfig,
}


def keys(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def rows(title: str) -> dict[str, str]:
    """Return the default column of a section's table, by key."""
    section = DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|", section, re.MULTILINE)
    return {key: default.strip() for key, default in found}


def uncommented() -> str:
    """Return the example with every key switched on: a `#` without a space behind it is gone."""
    return re.sub(r"^( *)#(?=[^ \n])", r"\1", EXAMPLE, flags=re.MULTILINE)


@pytest.mark.parametrize("title", SECTIONS)
def test_the_docs_have_the_keys_of_the_models(title):
    assert set(rows(title)) == keys(SECTIONS[title])


@pytest.mark.parametrize("title", SECTIONS)
def test_the_docs_have_the_defaults_of_the_models(title):
    schema = json_schema()
    section = schema if title == "Top level" else schema["$defs"][SECTIONS[title].__name__]
    for key, told in rows(title).items():
        assert (told == "required") == (key in section.get("required", [])), key
        default = section["properties"][key].get("default")
        if default not in (None, [], {}):
            written = yaml.safe_load(told.strip("`"))
            assert written == default, key


def test_the_example_has_the_keys_of_the_models():
    text = uncommented().replace("auth: none", "auth: 'none'").replace(" on: ", " 'on': ")
    whole = yaml.safe_load(text)  # which reads YAML 1.1, where `on` is true
    endpoints = list(whole["endpoints"].values())
    links = [link for e in endpoints for link in e["destinations"] if isinstance(link, dict)]
    destinations = list(whole["destinations"].values())
    shown = {
        "Top level": [whole],
        "server": [whole["server"]],
        "admin": [whole["admin"]],
        "storage": [whole["storage"]],
        "telemetry": [whole["telemetry"]],
        "retention": [whole["storage"]["retention"]],
        "api_keys": whole["api_keys"],
        "endpoints": endpoints,
        "signature": [e["signature"] for e in endpoints if "signature" in e],
        "jwt": [e["jwt"] for e in endpoints if "jwt" in e],
        "body_hash": [e["jwt"]["body_hash"] for e in endpoints if "body_hash" in e.get("jwt", {})],
        "list": [],
        "handshake": [e["handshake"] for e in endpoints if "handshake" in e],
        "refused": [e["refused"] for e in endpoints if "refused" in e],
        "answer": [e["answer"] for e in endpoints if "answer" in e],
        "idempotency": [e["idempotency"] for e in endpoints if e.get("idempotency")],
        "links": links,
        "rules": [rule for link in links for rule in link.get("rules", [])],
        "destinations": destinations,
        "tls": [d["tls"] for d in destinations if "tls" in d],
        "signing": [d["signing"] for d in destinations if isinstance(d.get("signing"), dict)],
        "retry": [d["retry"] for d in destinations if "retry" in d],
        "breaker": [d["breaker"] for d in destinations if "breaker" in d],
        "alerts": whole["alerts"],
        "backlog": [alert["backlog"] for alert in whole["alerts"]],
        "source_errors": [alert["source_errors"] for alert in whole["alerts"]],
        "disk_low": [alert["disk_low"] for alert in whole["alerts"]],
    }
    # Every way to place a key or a timestamp; one line of the example shows one of them.
    alternatives = {
        "signature": keys(SignatureConfig) - {"header"},
        "list": keys(ListConfig),
        "handshake": keys(HandshakeConfig) - {"query"},
        "answer": {"content_type"},
        "idempotency": {"body"},
        "links": {"template"},  # for destinations that people read
        "rules": {"template"},
        "tls": {"ca", "cert", "key"},  # files, which a test would have to have
        "signing": keys(SigningConfig),  # the example names a scheme that needs none
    }
    for title, model in SECTIONS.items():
        named = {key for part in shown[title] for key in part}
        assert named | alternatives.get(title, set()) == keys(model), title


def test_the_example_is_good_as_it_is():
    config = parse(EXAMPLE, environ={})
    assert config.warnings() == []
    assert str(config.server.listen) == "127.0.0.1:8080"
    assert config.storage.path == "dispatchd.db"
    endpoint = config.endpoints["my-slug"]
    assert [secret.get_secret_value() for secret in endpoint.secret] == ["your-signing-secret"]
    assert endpoint.event_type_path == "action"
    assert [link.to for link in endpoint.destinations] == ["local"]
    assert config.destinations["local"].url.get_secret_value() == "http://127.0.0.1:9000/"


def test_the_example_is_good_with_every_key_switched_on():
    assert parse(uncommented(), environ=ENVIRON).endpoints["open"].auth == "none"


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL))
def test_the_docs_examples_are_good(text):
    assert isinstance(parse(text, environ=ENVIRON), Config)
