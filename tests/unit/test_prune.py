"""A pruned document says by the paths that were asked what the whole one says."""

import sys
from pathlib import Path

import pytest

from dispatchd import verify
from dispatchd.paths import at_path, split_path
from dispatchd.reading.content import read_content
from dispatchd.reading.json_text import NotJson
from dispatchd.reading.prune import MANY_MAX, Wanted, prune

sys.path.append(str(Path(__file__).parents[1] / "vectors"))

import reading

DOCUMENT = {
    "action": "opened",
    "issue": {"id": 1, "labels": [{"name": "a"}, {"name": "b"}], "body": "long"},
    "ratio": float("inf"),
}


@pytest.mark.parametrize(
    ("paths", "pruned"),
    [
        ([], {}),
        (["action"], {"action": "opened"}),
        (["issue"], {"issue": {}}),
        (["issue.id", "action.no"], {"issue": {"id": 1}, "action": "opened"}),
        (["issue.labels"], {"issue": {"labels": []}}),
        (["issue.labels.1.name"], {"issue": {"labels": {"1": {"name": "b"}}}}),
        (["issue.labels.01.name"], {"issue": {"labels": {"01": {"name": "b"}}}}),
        (["issue.labels.7"], {"issue": {"labels": []}}),
        (["issue.labels.[].name"], {"issue": {"labels": [{"name": "a"}, {"name": "b"}]}}),
        (["{}"], {"action": None, "issue": None, "ratio": None}),
        (["ratio"], {"ratio": None}),
    ],
)
def test_what_is_kept(paths, pruned):
    assert prune(DOCUMENT, Wanted(split_path(path) for path in paths)) == pruned


def test_many_alike_are_kept_once_and_many_keys_not_all():
    entries = {"entry": [{"x": 1}] * 100_000}
    assert prune(entries, Wanted([("entry", "[]", "x")])) == {"entry": [{"x": 1}]}
    assert len(prune(dict.fromkeys(map(str, range(100_000))), Wanted([("{}",)]))) == MANY_MAX


CASES = list(reading.every_case())


@pytest.mark.parametrize(("document", "case"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_provider_asks_by_its_paths_alone(document, case):
    """Were a path missing, a large webhook would be judged as if it did not say it."""
    verifier, sender = reading.verifier_of(document, case), reading.sender_of(document, case)
    content_type = sender.headers.get("Content-Type", "")
    try:
        whole = read_content(sender.body, content_type, "form").document
    except NotJson:
        return
    pruned = prune(whole, Wanted(split_path(path) for path in verifier.paths))
    headers = sender.headers
    assert verifier.event_type(headers, pruned) == verifier.event_type(headers, whole)
    assert verifier.delivery_id(headers, pruned) == verifier.delivery_id(headers, whole)
    assert verifier.handshake(sender, pruned) == verifier.handshake(sender, whole)
    by_whole = verifier.verify(sender._replace(document=whole))
    assert verifier.verify(sender._replace(document=pruned)) == by_whole
    for path in verifier.paths:
        if "[]" not in path and "{}" not in path:
            there, here = (at_path(d, split_path(path)) for d in (whole, pruned))
            assert here == there if not isinstance(there, (dict, list)) else here is not None


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("slack", {"type": "event_callback", "event": {"type": "app_mention"}}),
        ("slack", {"command": "/deploy"}),
        ("meta", {"object": "page", "entry": [{"changes": [{"field": "feed"}] * 3}]}),
        ("meta", {"object": "page", "entry": [{"changes": [{"field": "a"}, {"field": "b"}]}]}),
        ("x", {"for_user_id": "1", "tweet_create_events": [{"id": 1}]}),
        ("linear", {"type": "Issue", "action": "create"}),
        ("mailgun", {"event-data": {"event": "opened"}, "signature": {"token": "t"}}),
        ("twilio", {"MessageStatus": "sent"}),
    ],
)
def test_an_event_type_survives(provider, body):
    auth = verify.Auth(
        provider=provider,
        secrets=(b"secret",),
        verify_token=b"t" if provider == "meta" else b"",
        url="https://example.com/hooks/x" if provider == "twilio" else "",
    )
    verifier = verify.compile_verifier(auth)
    pruned = prune(body, Wanted(split_path(path) for path in verifier.paths))
    headers = reading.CIMultiDict()
    expected = verifier.event_type(headers, body)
    assert expected
    assert verifier.event_type(headers, pruned) == expected
    assert verifier.delivery_id(headers, pruned) == verifier.delivery_id(headers, body)
