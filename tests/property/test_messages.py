"""Whatever a sender writes: there are words for it, and no platform's rule is broken."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nouns import an_event
from platforms import PLATFORMS
from speakers import APPRISE_SPEAKER, HOSTILE, KEY, SPEAKERS, breaches, courier, mailed

from dispatchd.deliver.words import MessageCourier
from dispatchd.message import Field, Kind, Message
from dispatchd.wording import Wording

NASTY = st.sampled_from([*HOSTILE.split(" "), "<", "&", "\\", "*", "@a", "\n", "🦊", "\ud800", " "])
# Pieces and how often, so that what failed is told in a line.
TEXTS = st.lists(
    st.tuples(st.one_of(NASTY, st.text(max_size=20)), st.sampled_from([1, 1, 300, 3000, 9000])),
    max_size=4,
)
MESSAGES = st.fixed_dictionaries(
    {
        "title": TEXTS,
        "description": TEXTS,
        "url": st.tuples(st.sampled_from(["", "https://example.com/", "HTTP://x"]), TEXTS),
        "fields": st.lists(st.tuples(TEXTS, TEXTS), max_size=30),
        "kind": st.sampled_from(Kind),
        "footer": TEXTS,
    }
)


def text(pieces: list[tuple[str, int]]) -> str:
    return "".join(piece * times for piece, times in pieces)


def built(told: dict[str, Any]) -> Message:
    scheme, rest = told["url"]
    return Message(
        title=text(told["title"]),
        description=text(told["description"]),
        url=scheme + text(rest) or None,
        fields=tuple(Field(text(name), text(value)) for name, value in told["fields"]),
        kind=told["kind"],
        footer=text(told["footer"]),
    )


# Names that the wordings look for, so that a document leads them somewhere.
NAMES = st.sampled_from(
    re.findall(
        r"\w+",
        "action alert alerts annotations amount body build_status comment commits commonLabels"
        " conclusion currency data deployment_status description evalMatches event groupKey id"
        " installation issue labels level livemode message metric_alert name number object"
        " object_attributes object_kind orgId project project_name pull_request ref release"
        " repository review ruleName sender status text title type url workflow_run 0",
    )
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**60), 10**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["event", "opened", "push", "resolved", "usd", "firing", HOSTILE]),
    st.text(max_size=20).filter(lambda text: text.isascii()),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=8)),
    max_leaves=25,
)
TYPES = st.sampled_from(
    re.findall(
        r"\S+",
        "push issues issue_comment pull_request pull_request_review workflow_run check_run"
        " release deployment_status create delete dependabot_alert ping star charge.failed x",
    )
)
PROVIDERS = ["generic", "github", "gitlab", "stripe"]
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", PLATFORMS)
@FEW
@given(told=MESSAGES)
def test_no_message_breaks_a_rule(name: str, told: dict[str, Any]) -> None:
    assert breaches(name, built(told)) == []


@FEW
@given(told=MESSAGES)
def test_every_message_is_a_mail_and_a_notice(told: dict[str, Any]) -> None:
    message = built(told)
    head = mailed(message).content.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line[:1].isspace()]
    assert len(names) == len(set(names)) == 8
    APPRISE_SPEAKER.say(message, KEY, 0)


@pytest.mark.parametrize("provider", PROVIDERS)
@FEW
@given(document=DOCUMENTS, event_type=TYPES, header=st.sampled_from(["", "github", "gitlab"]))
def test_there_are_words_for_every_document(
    provider: str, document: Any, event_type: str, header: str
) -> None:
    headers = {"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event", "": "X-Nothing"}
    event = an_event(
        body=json.dumps(document).encode(),
        event_type=event_type,
        headers=((headers[header], event_type),),
    )
    told = MessageCourier(SPEAKERS["discord"], Wording({"my-slug": provider}))
    message = told.message(event, None)
    assert message.title.strip()
    assert breaches("discord", message) == []
    assert breaches("slack", message) == []


@FEW
@given(body=st.binary(max_size=200), content_type=st.sampled_from(["", "text/plain", "a/b", "x"]))
def test_there_are_words_for_what_is_no_json(body: bytes, content_type: str) -> None:
    told = courier(PLATFORMS["telegram"].keys)
    message = told.message(an_event(body=body, content_type=content_type), None)
    assert message.title
    assert breaches("telegram", message) == []
