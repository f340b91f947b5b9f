"""What a good config becomes."""

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from dispatchd.config import Config, Listen, json_schema, parse
from dispatchd.config.model import endpoint_id
from dispatchd.retry import RetryPolicy

DESTINATION = "destinations: {{d: {{url: 'http://h', {}}}}}"


def read(text: str, **environ: str) -> Config:
    return parse(text, "c.yaml", environ)


def test_defaults_are_the_contracts():
    config = read("destinations: {d: {url: 'http://h'}}\nendpoints: {a: {auth: none}}")
    assert config.server.listen == Listen("127.0.0.1", 8080)
    assert config.server.trusted_proxies == ()
    assert config.server.max_body_bytes == 10 * 1024 * 1024
    assert config.admin is None
    assert config.storage.retention.events_s == 30 * 86_400
    assert config.storage.retention.failed_or_default_s == 90 * 86_400
    assert config.header_prefix == "dispatch"
    destination = config.destinations["d"]
    assert (destination.type, destination.timeout_s, destination.max_in_flight) == (
        "webhook",
        30,
        16,
    )
    assert destination.retry.policy() == RetryPolicy(
        7, (1000, 5000, 30_000, 120_000, 900_000, 3_600_000, 21_600_000), 0.2
    )
    assert config.endpoints["a"].active
    assert config.endpoints["a"].id == endpoint_id("a")


def test_a_derived_id_never_changes():
    assert read("endpoints: {my-slug: {auth: none}}").endpoints["my-slug"].id == GOLDEN_ID


GOLDEN_ID = "ebd3d1e2-a993-5953-9b53-d8e2298fb24d"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h", 3600)],
)
def test_durations(text, seconds):
    assert read(DESTINATION.format(f"timeout: {text}")).destinations["d"].timeout_s == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("512B", 512), ("512KB", 512_000), ("1KiB", 1024), ("10MiB", 10_485_760), ("2MB", 2_000_000)],
)
def test_sizes(text, size):
    assert read(f"server: {{max_body: {text}}}").server.max_body_bytes == size


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:8080", True),
        ("0.0.0.0:80", False),
        ("[::1]:8080", True),
        ("[::]:0", False),
        ("localhost:1", True),
        ("hooks.example.com:65535", False),
        ("unix:/run/dispatchd/hooks.sock", True),
    ],
)
def test_listeners(text, loopback):
    listen = read(f"server: {{listen: '{text}'}}").server.listen
    assert str(listen) == text
    assert listen.is_loopback is loopback


def test_an_address_is_a_network_of_one():
    config = read("server: {trusted_proxies: [127.0.0.1, '::1', 10.0.0.0/8]}")
    assert config.server.trusted_proxies == tuple(
        map(ip_network, ("127.0.0.1/32", "::1/128", "10.0.0.0/8"))
    )


def test_links_in_short_and_in_full():
    config = read(
        """
        endpoints:
          a:
            auth: none
            destinations: [d, {to: e, event_types: ["issues.*"], transform: '{"a": b}'}]
        destinations: {d: {url: "http://h"}, e: {url: "http://h"}}
        """
    )
    short, full = config.endpoints["a"].destinations
    assert (short.to, short.event_types, short.transform) == ("d", (), None)
    assert (full.to, full.event_types, full.transform) == ("e", ("issues.*",), '{"a": b}')
    assert (short.on_transform_error, full.on_transform_error) == ("send", "send")


def test_interpolation(tmp_path):
    (tmp_path / "secret").write_text("from a file\n\n")
    config = read(
        f"""
        endpoints:
          a:
            secret: ["${{A}}-${{B}}", "${{file:{tmp_path}/secret}}", "$${{A}}", "$A"]
        """,
        A="a: [",
        B="}\n'",
    )
    secrets = [secret.get_secret_value() for secret in config.endpoints["a"].secret]
    assert secrets == ["a: [-}\n'", "from a file\n", "${A}", "$A"]


def test_a_reference_fills_numbers_and_switches():
    config = read(
        """
        endpoints: {a: {auth: none, active: "${OFF}"}}
        destinations:
          d: {url: "http://h", max_in_flight: "${N}", timeout: "${T}", retry: {jitter: "${J}"}}
        """,
        OFF="false",
        N="4",
        T="5s",
        J="0.5",
    )
    destination = config.destinations["d"]
    assert not config.endpoints["a"].active
    assert (destination.max_in_flight, destination.timeout_s) == (4, 5)
    assert destination.retry.jitter == 0.5


def test_keys_are_text_and_dates_too():
    config = read("endpoints: {on: {auth: none}, 123: {secret: 2026-01-31}, 1e3: {auth: none}}")
    assert list(config.endpoints) == ["on", "123", "1e3"]
    assert config.endpoints["123"].secret[0].get_secret_value() == "2026-01-31"


def test_anchors_and_merges():
    config = read(
        """
        destinations:
          d: &base {url: "http://d", timeout: 5s}
          e: {<<: *base, url: "http://e"}
        """
    )
    assert config.destinations["e"].timeout_s == 5
    assert config.destinations["e"].safe_url == "http://e"


def test_sections_with_everything_commented_out():
    names = ("server", "storage", "api_keys", "endpoints", "destinations")
    assert read("".join(f"{name}:\n" for name in names)) == Config()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u.example.com:8443/t/oken?k=v", "https://u.example.com:8443"),
        ("http://[::1]:9/x", "http://[::1]:9"),
        ("HTTP://Example.com", "http://example.com"),
    ],
)
def test_safe_urls(url, shown):
    assert read(f"destinations: {{d: {{url: '{url}'}}}}").destinations["d"].safe_url == shown


def test_a_config_is_frozen():
    with pytest.raises(ValidationError):
        read("header_prefix: a").header_prefix = "b"


def test_warnings():
    config = read(
        """
        admin: {listen: "127.0.0.1:8081"}
        endpoints: {a: {auth: none}}
        destinations: {d: {url: "http://h"}}
        """
    )
    assert [warning.split(":")[0] for warning in config.warnings()] == [
        "admin",
        "endpoints.a",
        "destinations.d",
    ]


@pytest.mark.parametrize(
    ("link", "warned"),
    [
        ("d", False),
        ("{to: d, transform: a}", True),
        ("{to: d, transform: a, on_transform_error: send}", False),
        ("{to: d, transform: a, on_transform_error: fail}", False),
    ],
)
def test_a_transform_without_a_word_on_its_failure_is_warned_of(link, warned):
    config = read(
        f"""
        endpoints: {{a: {{auth: none, destinations: [{link}]}}}}
        destinations: {{d: {{url: "http://h"}}}}
        """
    )
    assert [("on_transform_error" in warning) for warning in config.warnings()] == [True] * warned


def test_every_field_of_the_schema_is_described():
    schema = json_schema()
    for name, section in [("Config", schema), *schema["$defs"].items()]:
        for key, field in section["properties"].items():
            assert field.get("description") or "$ref" in field, f"{name}.{key}"
    assert schema["$schema"].endswith("/2020-12/schema")
    assert "title" not in schema["$defs"]["LinkConfig"]


def test_the_schemas_defaults_are_written_as_in_the_file():
    sections = json_schema()["$defs"]
    assert sections["ServerConfig"]["properties"]["listen"]["default"] == "127.0.0.1:8080"
    assert sections["WebhookConfig"]["properties"]["timeout"]["default"] == "30s"
    assert sections["BreakerConfig"]["properties"]["max_probe_every"]["default"] == "10m"


@pytest.mark.parametrize(
    ("written", "events_d", "failed_d"),
    [
        ("7d", 7, 21),
        ("{events: 7d}", 7, 21),
        ("{events: 7d, failed: 7d}", 7, 7),
        ("{failed: 40d}", 30, 40),
    ],
)
def test_retention_is_an_age_or_two(written, events_d, failed_d):
    retention = parse(f"storage: {{retention: {written}}}", environ={}).storage.retention
    assert retention.events_s == events_d * 86_400
    assert retention.failed_or_default_s == failed_d * 86_400
