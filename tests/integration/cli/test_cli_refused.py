"""`dispatchd refused` on a real database."""

import time

from promised import promised

from dispatchd.store.refused import RefusedRequest

EVIL = "\x1b[2J"


def refuse(world, **changes) -> None:
    fields = {
        "endpoint": "my-slug",
        "slug": "my-slug",
        "at_ms": time.time_ns() // 1_000_000,
        "method": "POST",
        "status": 401,
        "reason": "invalid_signature",
        "message": "the signature does not match",
        "source_ip": "192.0.2.1",
        "headers": (("User-Agent", f"GitHub{EVIL}"), ("X-Hub-Signature-256", "***")),
        "body_bytes": 1536,
        **changes,
    }
    one = RefusedRequest(**fields)
    world.store(lambda store: store.keep_refused([one], {(one.endpoint, one.reason): 5}, {}))


def test_lists_and_shows(world):
    refuse(world)
    refuse(world, endpoint=None, slug=f"typo{EVIL}", status=404, reason="unknown_endpoint")
    listed = world.dispatchd("refused")
    lines = listed.out.splitlines()
    assert lines[1].split()[0] == "2"
    assert "(typo" in lines[1]
    assert lines[2].split() == [
        "1", "0s", "my-slug", "401", "invalid_signature", "192.0.2.1", "1.5", "KiB",
    ]  # fmt: skip
    shown = world.dispatchd("refused", "1")
    for told in (
        "POST /hooks/my-slug",
        "401 invalid_signature: the signature does not match",
        "X-Hub-Signature-256: ***",
        "1,536 bytes",
        "not kept; `refused: {body: true}`",
    ):
        assert told in shown.out
    assert EVIL not in listed.out + shown.out
    assert "no such endpoint" in world.dispatchd("refused", "2").out


def test_json_and_what_is_asked_for(world):
    refuse(world, body=b"\xff", body_bytes=1)
    refuse(world, endpoint=None, slug="x", reason="unknown_endpoint", body_bytes=None)
    (only,) = world.dispatchd("refused", "--endpoint", "my-slug", "--json").json()
    assert only == world.dispatchd("refused", "1", "--json").json()
    assert promised("refused", only, 1)
    assert (only["refused"], only["body_base64"], only["body_bytes"]) == (1, "/w==", 1)
    (other,) = world.dispatchd("refused", "--endpoint", "", "--json").json()
    assert promised("refused", other)
    assert (other["endpoint"], other["slug"], other["body_bytes"]) == (None, "x", None)
    assert len(world.dispatchd("refused", "--reason", "invalid_signature", "--json").json()) == 1
    assert world.dispatchd("refused", "--limit", "1", "--json").json() == [other]


def test_what_is_not_there(world):
    world.store(lambda store: store.stats(0))
    assert world.dispatchd("refused").out == "No refused requests.\n"
    ran = world.dispatchd("refused", "7")
    assert ran.code == 1
    assert "there is no refused request 7" in ran.err
    ran = world.dispatchd("refused", "--endpoint", "my-slog")
    assert ran.code == 2
    assert "did you mean 'my-slug'?" in ran.err
