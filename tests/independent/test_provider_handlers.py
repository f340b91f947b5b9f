"""Handlers as each provider's users write them, with its own SDK, behind dispatchd.

They know nothing of dispatchd: what it forwards must verify as what the provider sent. Shopify and
GitLab have no verifier for Python: theirs do what the providers' documentation says to.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import standardwebhooks
import stripe
import svix
from aiohttp import web
from gidgethub.sansio import Event as GitHubEvent
from rig import Sink, StartDaemon
from slack_sdk.signature import SignatureVerifier

SECRET = "a-secret-of-the-sender"
WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BODY = json.dumps({"id": "evt_1", "object": "event", "type": "a.b", "name": "Zoë"}).encode()


def mac(message: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()


# The senders


def by_github(body: bytes) -> dict[str, str]:
    return {
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3",
        "X-Hub-Signature-256": "sha256=" + mac(body).hex(),
    }


def by_gitlab(_: bytes) -> dict[str, str]:
    return {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET}


def by_stripe(body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    return {"Stripe-Signature": f"t={stamp},v1={mac(f'{stamp}.'.encode() + body).hex()}"}


def by_shopify(body: bytes) -> dict[str, str]:
    return {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Event-Id": "98880550-7158-44d4",
        "X-Shopify-Hmac-SHA256": base64.b64encode(mac(body)).decode(),
    }


def by_slack(body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": "v0=" + mac(f"v0:{stamp}:".encode() + body).hex(),
    }


def by_standard(prefix: str) -> Callable[[bytes], dict[str, str]]:
    def signed(body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        digest = hmac.new(b"k" * 32, f"msg_1.{stamp}.".encode() + body, hashlib.sha256).digest()
        return {
            f"{prefix}-id": "msg_1",
            f"{prefix}-timestamp": stamp,
            f"{prefix}-signature": "v1," + base64.b64encode(digest).decode(),
        }

    return signed


# The handlers: each raises, or returns something false, where it would refuse


def github(request: web.Request, body: bytes) -> Any:
    event = GitHubEvent.from_http(request.headers, body, secret=SECRET)
    return event.event == "issues" and event.delivery_id == "72d3162e-cc78-11e3"


def gitlab(request: web.Request, _: bytes) -> Any:
    kind = request.headers["X-Gitlab-Event"]
    return hmac.compare_digest(request.headers["X-Gitlab-Token"], SECRET) and kind == "Push Hook"


def stripe_handler(request: web.Request, body: bytes) -> Any:
    signature = request.headers["Stripe-Signature"]
    return stripe.Webhook.construct_event(body, signature, SECRET).type == "a.b"


def shopify(request: web.Request, body: bytes) -> Any:
    computed = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest())
    sent = request.headers["X-Shopify-Hmac-SHA256"].encode()
    topic = request.headers["X-Shopify-Topic"]
    return hmac.compare_digest(computed, sent) and topic == "orders/create"


def slack(request: web.Request, body: bytes) -> Any:
    return SignatureVerifier(SECRET).is_valid_request(body, dict(request.headers))


def standard(request: web.Request, body: bytes) -> Any:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return standardwebhooks.Webhook(WHSEC).verify(body, headers)


def svix_handler(request: web.Request, body: bytes) -> Any:
    headers = {name.lower(): value for name, value in request.headers.items()}
    svix.Webhook(WHSEC).verify(body, headers)
    return True


CASES = {
    "github": (by_github, github, "[X-GitHub-*, X-Hub-Signature-256]", "github", JSON, BODY),
    "github-form": (
        by_github, github, "[X-GitHub-*, X-Hub-Signature-256]", "github", FORM,
        urlencode({"payload": BODY.decode()}).encode(),
    ),
    "gitlab": (by_gitlab, gitlab, "[X-Gitlab-*, X-Gitlab-Token]", "gitlab", JSON, BODY),
    "stripe": (by_stripe, stripe_handler, "Stripe-Signature", "stripe", JSON, BODY),
    "shopify": (
        by_shopify, shopify, "[X-Shopify-*, X-Shopify-Hmac-SHA256]", "shopify", JSON, BODY,
    ),
    "slack": (by_slack, slack, "[X-Slack-*, X-Slack-Signature]", "slack", JSON, BODY),
    "slack-command": (
        by_slack, slack, "[X-Slack-*, X-Slack-Signature]", "slack", FORM, b"command=%2Fdo&text=a+b",
    ),
    "standard-webhooks": (
        by_standard("webhook"), standard, "[webhook-*, webhook-signature]", "standard-webhooks",
        JSON, BODY,
    ),
    "svix": (by_standard("svix"), svix_handler, "[svix-*, svix-signature]", "svix", JSON, BODY),
}  # fmt: skip


def config(sink: Sink, provider: str, names: str) -> str:
    secret = WHSEC if provider in ("standard-webhooks", "svix") else SECRET
    return f"""
    endpoints: {{my-slug: {{provider: {provider}, secret: {secret}, destinations: [crm]}}}}
    destinations:
      crm: {{url: '{sink.url}', forward_headers: {names}, retry: {{max_attempts: 1}}}}
    """


async def handled(
    start_daemon: StartDaemon, sink: Sink, case: str, names: str | None = None
) -> int | None:
    """Send as the provider does; return what its own handler, the destination, answers."""
    sign, handler, all_names, provider, content_type, body = CASES[case]

    async def answer(request: web.Request, _: int) -> web.Response:
        _, received = sink.received[-1]
        try:
            taken = bool(handler(request, received))
        except Exception:  # noqa: BLE001 - as a framework does: each SDK has refusals of its own
            taken = False
        return web.Response(status=200 if taken else 401)

    sink.answer = answer
    daemon = await start_daemon(config(sink, provider, names or all_names))
    headers = {"Content-Type": content_type, **sign(body)}
    await daemon.accepted(body, secret=None, headers=headers)
    [line] = await daemon.log.wait_for("attempt")
    return line["status_code"]


@pytest.mark.parametrize("case", CASES)
async def test_a_providers_own_handler_takes_what_is_forwarded(
    start_daemon: StartDaemon, sink: Sink, case: str
) -> None:
    assert await handled(start_daemon, sink, case) == 200


@pytest.mark.parametrize("case", CASES)
async def test_without_the_proof_it_refuses(
    start_daemon: StartDaemon, sink: Sink, case: str
) -> None:
    """Else these tests would show nothing."""
    assert await handled(start_daemon, sink, case, "['*']") == 401
