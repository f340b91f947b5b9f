"""Pinned documents: fetched once, kept, refreshed, and told apart from what cannot be had."""

import asyncio
import sys
from pathlib import Path

import pytest
from rig import StartDaemon

from dispatchd import app as app_module
from dispatchd.config import parse
from dispatchd.evaluate.evaluator import Evaluator
from dispatchd.pinned import AGAIN_S, WAITING_MAX, PinnedDocuments
from dispatchd.plan.compiling import route_spec
from dispatchd.plan.explaining import explain_by_plan
from dispatchd.reading.reader import Reader
from dispatchd.receive.explain import Inquiry
from dispatchd.verify.pinned import CERTIFICATE, KEY_SET, Pinned

sys.path.append(str(Path(__file__).parents[1] / "vectors"))
import reading

BASE = "https://api.paypal.com/v1/notifications/certs/CERT-"
PEM = b"-----BEGIN CERTIFICATE-----"


KEYS = "https://issuer.example/keys"
SET, NEW_SET = b'{"keys":[]}', b'{"keys":[{}]}'


def certificate(url: str) -> Pinned:
    return Pinned(url, CERTIFICATE)


class Scripted(PinnedDocuments):
    """Everything but the network: what a fetch yields, and when, is the test's to say."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(monotonic_s=lambda: self.now_s)
        self.asked: list[str] = []
        self.gates: dict[str, asyncio.Future[bytes | None]] = {}

    async def _fetch(self, url: str) -> bytes | None:
        self.asked.append(url)
        gate = self.gates.setdefault(url, asyncio.get_running_loop().create_future())
        return await gate

    def yields(self, url: str, pem: bytes | None) -> None:
        self.gates[url] = asyncio.get_running_loop().create_future()
        self.gates[url].set_result(pem)


async def test_it_is_fetched_once_for_all_who_wait() -> None:
    known = Scripted()
    waiting = [asyncio.create_task(known.ensure(certificate(BASE + "a"))) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who asked first has gone away
    await asyncio.sleep(0)
    known.gates[BASE + "a"].set_result(PEM)
    assert await asyncio.gather(*waiting[1:]) == [True] * 4
    assert await known.ensure(certificate(BASE + "a"))
    assert known.asked == [BASE + "a"]
    assert known.get(BASE + "a") == PEM


async def test_a_failure_is_remembered_for_a_while() -> None:
    known = Scripted()
    known.yields(BASE + "a", None)
    assert not await known.ensure(certificate(BASE + "a"))
    assert not await known.ensure(certificate(BASE + "a"))
    assert known.asked == [BASE + "a"]
    known.now_s = AGAIN_S + 1
    known.yields(BASE + "a", PEM)
    assert await known.ensure(certificate(BASE + "a"))


async def test_made_up_names_keep_no_genuine_one_waiting() -> None:
    """Two made-up URLs at once made a genuine one wait for its sender's retry."""
    known = Scripted()
    known.yields(BASE + "known", PEM)
    assert await known.ensure(certificate(BASE + "known"))
    made_up = [
        asyncio.create_task(known.ensure(certificate(f"{BASE}{n}"))) for n in range(WAITING_MAX)
    ]
    await asyncio.sleep(0)
    assert not await known.ensure(certificate(BASE + "one-too-many"))
    known.now_s = CERTIFICATE.fresh_s + 1  # due to be fetched anew: it stands in no line
    assert await known.ensure(certificate(BASE + "known"))
    assert known.asked[-1] == BASE + "known"
    await known.close()
    await asyncio.gather(*made_up, return_exceptions=True)


async def test_a_new_name_has_its_turn_after_those_before_it() -> None:
    known = Scripted()
    for name in "ab":
        known.gates[BASE + name] = asyncio.get_running_loop().create_future()
    known.yields(BASE + "new", PEM)
    before = [asyncio.create_task(known.ensure(certificate(BASE + name))) for name in "ab"]
    await asyncio.sleep(0)
    new = asyncio.create_task(known.ensure(certificate(BASE + "new")))
    await asyncio.sleep(0)
    for name in "ab":
        known.gates[BASE + name].set_result(None)
    assert await new
    assert await asyncio.gather(*before) == [False, False]


async def test_one_that_was_good_outlives_an_outage_of_its_source() -> None:
    known = Scripted()
    known.yields(BASE + "a", PEM)
    await known.ensure(certificate(BASE + "a"))
    known.now_s = 100 * CERTIFICATE.fresh_s
    known.yields(BASE + "a", None)
    assert await known.ensure(certificate(BASE + "a"))
    assert known.get(BASE + "a") == PEM


async def test_the_old_one_serves_while_a_fresh_one_is_fetched() -> None:
    known = Scripted()
    known.yields(KEYS, SET)
    await known.ensure(Pinned(KEYS, KEY_SET))
    known.now_s = KEY_SET.fresh_s
    known.gates[KEYS] = gate = asyncio.get_running_loop().create_future()
    for _ in range(3):
        assert await known.ensure(Pinned(KEYS, KEY_SET))  # nobody waits
        await asyncio.sleep(0)
    assert known.asked == [KEYS] * 2
    assert known.get(KEYS) == SET
    gate.set_result(NEW_SET)
    await asyncio.gather(*known._fetching.values())
    assert known.get(KEYS) == NEW_SET


async def test_keys_have_no_dates_and_so_an_end() -> None:
    known = Scripted()
    known.yields(KEYS, SET)
    await known.ensure(Pinned(KEYS, KEY_SET))
    known.yields(KEYS, None)
    known.now_s = KEY_SET.stale_s - 1
    assert await known.ensure(Pinned(KEYS, KEY_SET))
    known.now_s = KEY_SET.stale_s + AGAIN_S
    assert not await known.ensure(Pinned(KEYS, KEY_SET))
    assert known.get(KEYS) is None
    known.now_s += AGAIN_S
    known.yields(KEYS, NEW_SET)
    assert await known.ensure(Pinned(KEYS, KEY_SET))


async def test_what_is_wanted_anew_is_asked_for_once_a_minute() -> None:
    known = Scripted()
    anew = Pinned(KEYS, KEY_SET, anew=True)
    known.yields(KEYS, SET)
    assert await known.ensure(anew)
    assert await known.ensure(anew)  # it is the newest that we may ask for
    assert known.asked == [KEYS]
    known.now_s = AGAIN_S
    known.yields(KEYS, NEW_SET)
    assert await asyncio.gather(*(known.ensure(anew) for _ in range(5))) == [True] * 5
    assert known.asked == [KEYS] * 2
    assert known.get(KEYS) == NEW_SET
    known.now_s += AGAIN_S
    known.yields(KEYS, None)
    assert not await known.ensure(anew)
    assert not await known.ensure(anew)  # nor is it known until the next try
    assert await known.ensure(Pinned(KEYS, KEY_SET))  # who is content with it has it
    assert known.asked == [KEYS] * 3


async def test_an_error_page_is_no_document() -> None:
    known = Scripted()
    for page in (b"<html>", b"[]", b'{"keys":{}}', b'{"error":"x"}', b""):
        known.now_s += AGAIN_S
        known.yields(KEYS, page)
        assert not await known.ensure(Pinned(KEYS, KEY_SET))


async def test_a_configured_url_waits_behind_no_made_up_name() -> None:
    known = Scripted()
    made_up = [
        asyncio.create_task(known.ensure(certificate(f"{BASE}{n}"))) for n in range(WAITING_MAX)
    ]
    await asyncio.sleep(0)
    known.yields(KEYS, SET)
    assert await known.ensure(Pinned(KEYS, KEY_SET))
    await known.close()
    await asyncio.gather(*made_up, return_exceptions=True)


async def test_a_visit_that_went_well_is_not_made_again() -> None:
    known = Scripted()
    url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"
    known.yields(url, None)
    assert not await known.visit(url)
    known.yields(url, b"<xml/>")
    assert await known.visit(url)
    assert await known.visit(url)
    assert known.asked == [url] * 2


async def test_a_certificate_that_cannot_be_had_is_a_503(
    start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 told PayPal that its webhook was forged; it is our fetch that failed."""

    async def unreachable(self: PinnedDocuments, url: str) -> None:
        return None

    monkeypatch.setattr(app_module.PinnedDocuments, "_fetch", unreachable)
    daemon = await start_daemon("""
    endpoints: {my-slug: {provider: paypal, webhook_id: WH-1}}
    """)
    headers = {"PayPal-Cert-Url": BASE + "a", "PayPal-Transmission-Sig": "AAAA"}
    status, document, answered = await daemon.post(b"{}", secret=None, headers=headers)
    assert (status, document["error"]["code"]) == (503, "certificate_unavailable")
    assert int(answered["Retry-After"]) >= AGAIN_S
    status, _, _ = await daemon.post(
        b"{}", secret=None, headers=headers | {"PayPal-Cert-Url": "https://example.com/x"}
    )
    assert status == 401


@pytest.mark.parametrize("there", [True, False])
async def test_explain_fetches_it_as_serve_would(there: bool) -> None:
    document = reading.document_of("paypal")
    request = document["cases"][0]["request"]
    known = Scripted()
    known._roots = document["roots"].encode()
    url = BASE + "good"
    known.yields(url, document["certificates"][url].encode() if there else None)
    webhook_id = document["auth"]["webhook_id"]
    config = parse(f"endpoints: {{my-slug: {{provider: paypal, webhook_id: {webhook_id}}}}}")
    spec = route_spec(config, "my-slug")
    asked = Inquiry(
        headers=[(name, value) for name, value in request["headers"]],
        body=request["body"].encode(),
        source_ip=None,
        now_ms=document["now_s"] * 1000,
        stored=False,
    )
    evaluator, max_bytes = Evaluator(), config.server.max_body_bytes
    told = await explain_by_plan(
        spec, {}, max_bytes, asked, documents=known, evaluator=evaluator, reader=Reader()
    )
    await evaluator.close()
    assert known.asked == [url]
    if there:
        assert told["verified"] == {"ok": True, "by": "paypal[0]", "why": None}
    else:
        assert told["verified"]["why"].startswith("certificate_unavailable: ")
