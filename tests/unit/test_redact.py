"""What is secret to a destination does not come back in what is kept of its answers."""

import pytest

from dispatchd.redact import Redactor, header_secrets, url_secrets

SECRET = "s3cr3t/\"<'+&é k3y"


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        "s3cr3t/\\\"<'+&é k3y",
        "s3cr3t/\\\"<'+&\\u00e9 k3y",
        "s3cr3t\\/\\\"<'+&\\u00e9 k3y",
        "s3cr3t%2F%22%3C%27%2B%26%C3%A9%20k3y",
        "s3cr3t%2f%22%3c%27%2b%26%c3%a9%20k3y",
        "s3cr3t/%22%3C%27%2B%26%C3%A9%20k3y",
        "s3cr3t%2F%22%3C%27%2B%26%C3%A9+k3y",
        "s3cr3t/&quot;&lt;&#x27;+&amp;é k3y",
        "s3cr3t/&#34;&lt;&#39;+&amp;é k3y",
        "czNjcjN0LyI8Jysmw6kgazN5",
    ],
)
def test_a_secret_is_blacked_out_in_each_spelling(echo):
    redactor = Redactor([SECRET])
    assert redactor.text(f"you sent {echo}!") == "you sent ***!"
    assert redactor.head(f"you sent {echo}!".encode()) == b"you sent ***!"
    assert redactor.headers((("X-Echo", echo),)) == (("X-Echo", "***"),)


@pytest.mark.parametrize("length", range(6, 17))
def test_a_secret_cut_at_the_end_is_blacked_out(length):
    redactor = Redactor(["abcdefghijklmnopq"])
    cut = "abcdefghijklmnopq"[:length]
    assert redactor.head(b"x" * 100 + cut.encode()) == b"x" * 100 + b"***"
    assert redactor.text("xabcdef" + cut) == "xabcdef***"


def test_ordinary_words_stay():
    redactor = Redactor(["short", "", "abcdefghijklmnopq"])
    for text in ("a short answer", "abcde", "abcdefg is not at the end"):
        assert redactor.text(text) == text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/in", set()),
        ("https://h/services/notifications?verbose=true", set()),
        (
            "https://discord.com/api/webhooks/123456789/AbCdEfGhIj",
            {"123456789", "AbCdEfGhIj", "/api/webhooks/123456789/AbCdEfGhIj"},
        ),
        ("https://h/in?token=abc%2Fdef9", {"abc%2Fdef9", "abc/def9", "/in?token=abc%2Fdef9"}),
        ("https://u:p%40ssw0rd@h/", {"u:p%40ssw0rd", "p%40ssw0rd", "p@ssw0rd", "u:p@ssw0rd"}),
        ("http://[", set()),
    ],
)
def test_what_of_a_url_is_secret(url, expected):
    found = {secret for secret in url_secrets(url) if len(secret) >= 6}
    assert expected <= found
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("Authorization", "Bearer abcdef123"), {"Bearer abcdef123", "abcdef123"}),
        (("Authorization", "Basic dXNlcjpwYXNzd29yZA=="), {"user:password", "password"}),
        (("X-Auth", 'id=1, key="abcdefgh"'), {"abcdefgh"}),
        (("User-Agent", "my-agent/1.0"), set()),
    ],
)
def test_what_of_a_header_is_secret(header, expected):
    found = set(header_secrets([header]))
    assert expected <= found
    assert bool(found) == bool(expected)
    assert "Bearer" not in found


def test_headers_without_a_trace_of_a_secret_are_not_gone_through():
    """256 of them against a few secrets in all spellings held the loop for 30 ms."""
    headers = tuple((f"X-{number}", "some value") for number in range(256))
    redactor = Redactor([f"secret-{number}/&<é" for number in range(50)])
    assert redactor.headers(headers) is headers
