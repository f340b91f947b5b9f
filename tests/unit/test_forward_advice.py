"""`check` says what `forward_headers` will not do."""

import pytest

from dispatchd.config import parse

CONFIG = """
endpoints:
  github: {{provider: github, secret: s, destinations: [{link}]}}
destinations:
  crm: {{url: 'http://x/', forward_headers: {names}}}
"""


def said(names: str, link: str = "crm", prefix: str = "dispatch") -> list[str]:
    text = CONFIG.format(names=names, link=link) + f"header_prefix: {prefix}\n"
    return [w for w in parse(text, environ={}).warnings() if "on_transform_error" not in w]


@pytest.mark.parametrize(
    "names", ["X-GitHub-Event", "['X-GitHub-*', X-Hub-Signature-256]", "'*-Key'", "X-Forwarded-For"]
)
def test_what_is_as_meant_needs_no_word(names: str) -> None:
    assert said(names) == []


@pytest.mark.parametrize(
    "glob", ["X-Hub-Signature*", "X-Auth*", "x-forwarded-*", "X-Dispatch-*", "*Token", "Cookie?"]
)
def test_a_glob_that_can_match_nothing(glob: str) -> None:
    [warning] = said(f"['{glob}']")
    assert warning == (
        f"destinations.crm.forward_headers: {glob} can match nothing that goes by a glob;"
        " name the headers in full"
    )


def test_a_glob_of_a_prefix_of_ones_own() -> None:
    assert said("['X-Acme-*']") == []
    [warning] = said("['X-Acme-*']", prefix="acme")
    assert "can match nothing" in warning


@pytest.mark.parametrize("names", ["['*']", "['X-Hub-*', X-GitHub-Event]"])
def test_a_proof_that_only_a_glob_matches(names: str) -> None:
    [warning] = said(names)
    assert "X-Hub-Signature-256 proves the senders of endpoints.github and stays behind" in warning


def test_a_signature_over_what_a_transform_changes() -> None:
    [warning] = said("x-hub-signature-256", "{to: crm, transform: '{}'}")
    assert "X-Hub-Signature-256 will not match what the transform of endpoints.github" in warning


@pytest.mark.parametrize("name", ["Authorization", "COOKIE"])
def test_a_credential(name: str) -> None:
    [warning] = said(name)
    assert f"{name.lower()} is the sender's own credential" in warning
