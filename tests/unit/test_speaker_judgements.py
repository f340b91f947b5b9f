"""What each platform's answer means: its success, its "come back later", its "never again"."""

from typing import Any

import pytest
from nouns import NOW_MS
from platforms import PLATFORMS
from speakers import APPRISE_SPEAKER, MAIL_SPEAKER, SPEAKERS

from dispatchd.model import (
    Delivered,
    ErrorClass,
    Failed,
    Failure,
    Reply,
    Whose,
)

HTTP = ErrorClass.HTTP
REJECTED = ErrorClass.REJECTED
RESET_AT = (("X-Limit-App-Reset", str(NOW_MS // 1000 + 60)),)


def failed(error: ErrorClass = HTTP, **told: Any) -> Failed:
    return Failed(error, **told)


def later(seconds: float, error: ErrorClass = HTTP) -> Failed:
    return Failed(error, retry_after_ms=round(seconds * 1000), throttled=True)


CASES = [
    ("discord", 200, b'{"id":"1"}', Delivered()),
    ("discord", 204, b"", Delivered()),
    ("discord", 429, b'{"message":"x","retry_after":0.3,"global":false}', later(0.3)),
    ("discord", 429, b'{"retry_after":"soon"}', later(0)),
    ("discord", 429, b'{"retry_after":1e400}', later(0)),
    ("discord", 429, b'{"retry_after":1e30}', later(86_400)),
    ("discord", 429, b'{"retry_after":-5}', later(0)),
    ("discord", 429, b"[1]", later(0)),
    ("discord", 404, b'{"message":"Unknown Webhook","code":10015}', failed(gone=True)),
    ("discord", 404, b'{"message":"Unknown Channel","code":10003}', failed()),
    ("discord", 400, b'{"code":50035}', failed()),
    ("slack", 200, b"ok", Delivered()),
    ("slack", 404, b"no_service", failed(gone=True)),
    ("slack", 410, b"channel_is_archived", failed(gone=True)),
    ("slack", 403, b"action_prohibited", failed()),
    ("slack", 404, b"channel_not_found", failed()),
    ("slack-bot", 200, b'{"ok":true,"channel":"C1","message":{"text":"' + b"x" * 2000, Delivered()),
    ("slack-bot", 200, b'{"ok":false,"error":"channel_not_found"}', failed(REJECTED)),
    ("slack-bot", 200, b'{"ok":false,"error":"ratelimited"}', later(1, REJECTED)),
    ("slack-bot", 200, b"<html>", failed(REJECTED)),
    ("slack-bot", 200, b'{"error":"x","ok":true}', failed(REJECTED)),
    ("telegram", 200, b'{"ok":true,"result":{"text":"' + b"x" * 2000, Delivered()),
    ("telegram", 200, b"hello", failed(REJECTED)),
    ("telegram", 429, b'{"ok":false,"parameters":{"retry_after":35}}', later(35)),
    ("telegram", 429, b'{"ok":false,"parameters":7}', later(0)),
    ("telegram", 200, b'{"ok":false,"parameters":{"retry_after":35}}', later(35, REJECTED)),
    ("telegram", 403, b'{"ok":false,"description":"bot was kicked"}', failed()),
    ("googlechat", 200, b"{}", Delivered()),
    ("googlechat", 429, b"{}", later(0)),
    ("msteams", 202, b"", Delivered()),
    ("mattermost", 200, b"ok", Delivered()),
    ("matrix", 200, b'{"event_id":"$1"}', Delivered()),
    ("matrix", 429, b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}', later(2.5)),
    ("ntfy", 200, b"{}", Delivered()),
    ("ntfy", 429, b'{"code":42901}', later(0)),
    ("gotify", 401, b"{}", failed()),
    ("pushover", 200, b'{"status":1}', Delivered()),
    ("pushover", 200, b'{"status":0}', failed(REJECTED)),
    ("pushover", 400, b'{"status":0,"user":"invalid"}', failed(gone=True)),
    ("pushover", 400, b'{"status":0,"errors":["x"]}', failed(whose=Whose.CONTENT)),
    ("pushover", 400, b"<html>", failed()),
    ("pushover", 500, b"", failed()),
]


@pytest.mark.parametrize(("name", "status", "head", "judged"), CASES)
def test_answers(name: str, status: int, head: bytes, judged: Any) -> None:
    assert SPEAKERS[name].judge(Reply(status, (), head, 1.0), NOW_MS) == judged


@pytest.mark.parametrize("name", PLATFORMS)
def test_retry_after_and_faults_are_everybodys(name: str) -> None:
    judge = SPEAKERS[name].judge
    assert judge(Reply(429, (), b"", 1.0, "7"), NOW_MS) == later(7)
    assert judge(Reply(429, (), b'{"retry_after":3}', 1.0, "7"), NOW_MS) == later(7)
    assert judge(Failure(ErrorClass.DNS, "", 1.0), NOW_MS) == Failed(ErrorClass.DNS)
    ours = Failed(ErrorClass.INTERNAL, Whose.OURS)
    assert judge(Failure(ErrorClass.INTERNAL, "", 1.0), NOW_MS) == ours
    assert judge(Reply(302, (), b"", 1.0), NOW_MS) == Failed(ErrorClass.REDIRECT)


def test_pushovers_month_ends_when_it_says() -> None:
    reply = Reply(429, RESET_AT, b"", 1.0)
    assert SPEAKERS["pushover"].judge(reply, NOW_MS) == later(60)
    reply = Reply(429, (("X-Limit-App-Reset", "soon"),), b"", 1.0)
    assert SPEAKERS["pushover"].judge(reply, NOW_MS) == later(0)


@pytest.mark.parametrize(
    ("status", "judged"),
    [(250, Delivered()), (451, failed(REJECTED)), (550, failed(REJECTED))],
)
def test_mail(status: int, judged: Any) -> None:
    assert MAIL_SPEAKER.judge(Reply(status, (), b"", 1.0), NOW_MS) == judged


def test_what_carries_itself_may_fail_as_others() -> None:
    for speaker in (MAIL_SPEAKER, APPRISE_SPEAKER):
        assert speaker.judge(Failure(ErrorClass.TLS, "", 1.0), NOW_MS) == Failed(ErrorClass.TLS)
        ours = Failed(ErrorClass.INTERNAL, Whose.OURS)
        assert speaker.judge(Failure(ErrorClass.INTERNAL, "", 1.0), NOW_MS) == ours
    assert APPRISE_SPEAKER.judge(Reply(0, (), b"", 1.0), NOW_MS) == Delivered()
    assert APPRISE_SPEAKER.judge(Reply(1, (), b"", 1.0), NOW_MS) == Failed(REJECTED)
