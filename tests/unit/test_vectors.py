"""Every provider's vectors, run through the verifier."""

import sys
from pathlib import Path

import orjson
import pytest

from dispatchd import verify
from dispatchd.verify.providers import ALIASES, PROVIDERS

sys.path.append(str(Path(__file__).parents[1] / "vectors"))

import reading

CASES = list(reading.every_case())


@pytest.mark.parametrize(
    ("document", "case"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_vector(document, case):
    verdict = reading.verifier_of(document, case).verify(reading.sender_of(document, case))
    assert isinstance(verdict, verify.Genuine if case["ok"] else verify.Rejected), verdict
    if "by" in case:
        assert verdict.by == case["by"]
    if "code" in case:
        assert verdict.code == case["code"]
    if not case["ok"]:
        secrets = [secret for secret in document["auth"].get("secrets", []) if secret]
        assert not any(secret in verdict.message for secret in secrets)


TYPED = [case for case in CASES if "event_type" in case[2] or "delivery_id" in case[2]]


@pytest.mark.parametrize(
    ("document", "case"), [case[1:] for case in TYPED], ids=[case[0] for case in TYPED]
)
def test_event_type_and_delivery_id(document, case):
    verifier, sender = reading.verifier_of(document, case), reading.sender_of(document, case)
    content_type = sender.headers.get("Content-Type", "")
    body = (
        verify.form_document(sender.body, content_type)
        if verify.is_form(content_type)
        else orjson.loads(sender.body)
    )
    if "event_type" in case:
        assert verifier.event_type(sender.headers, body) == case["event_type"]
    if "delivery_id" in case:
        assert verifier.delivery_id(sender.headers, body) == case["delivery_id"]


def test_every_provider_has_its_vectors():
    names = {name for name in verify.provider_names() if name in reading.PROVIDERS}
    assert names == set(verify.provider_names()) - set(ALIASES) == set(reading.PROVIDERS)


# What a class is called where a scheme has its own word for it.
CLASSES = ("valid", "flipped", "empty", "not ASCII", "huge", "doubled", "rotation")
OTHER_WORDS = {
    ("mailgun", "doubled"): "two signatures",
    ("paypal", "rotation"): "certificate rogue",
}


@pytest.mark.parametrize("provider", reading.PROVIDERS)
def test_a_vector_file_covers_the_classes(provider):
    names = " / ".join(case["name"] for case in reading.document_of(provider)["cases"])
    for word in CLASSES:
        assert OTHER_WORDS.get((provider, word), word) in names
    assert "missing" in names or "no signature" in names
    if provider == "paypal" or any(s.is_timed for s in PROVIDERS[provider].schemes):
        assert "too old" in names
        assert "too early" in names
