"""The cases of the providers that sign the body, without a timestamp."""

import signers
from recipe import API_KEY, NEW, Vectors, hmac_provider

ISSUE = '{"action":"opened","issue":{"number":7,"title":"A \\"quoted\\" title"}}'
KEYED = f"Bearer {API_KEY}"


def generic() -> Vectors:
    vectors = hmac_provider(
        "generic",
        "OpenSSL HMAC",
        signers.plain("X-Dispatch-Signature", "sha256="),
        header="X-Dispatch-Signature",
        encoding="hex",
        prefix="sha256=",
        body=ISSUE,
        extra=[["Idempotency-Key", "order-1"]],
        expect={"by": "dispatch[0]", "event_type": None, "delivery_id": "order-1"},
    )
    body = {"body": ISSUE}
    hub = signers.github(NEW, ISSUE)
    dispatch = signers.plain("X-Dispatch-Signature", "sha256=")(NEW, ISSUE, 0)
    wrong = [["X-Dispatch-Signature", "sha256=" + "0" * 64]]
    vectors.add("valid, GitHub's header", body | {"headers": hub}, ok=True, by="github[0]")
    vectors.add("both headers right", body | {"headers": hub + dispatch}, ok=True)
    vectors.add("the second header wrong", body | {"headers": hub + wrong}, ok=False)
    vectors.add(
        "open to all",
        body | {"headers": []},
        ok=True,
        by="none",
        auth={"secrets": [], "open_to_all": True},
    )
    vectors.add(
        "a signature, but the endpoint has only API keys",
        body | {"headers": [*hub, ["Authorization", KEYED]]},
        ok=False,
        auth={"secrets": []},
    )
    vectors.add(
        "API key doubled",
        body | {"headers": [["Authorization", KEYED], ["Authorization", KEYED]]},
        ok=False,
    )
    vectors.add(
        "API key not ASCII", body | {"headers": [["Authorization", "Bearer dsp_ключ"]]}, ok=False
    )
    return vectors


def github() -> Vectors:
    extra = [["X-GitHub-Event", "issues"], ["X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab"]]
    vectors = hmac_provider(
        "github",
        "OpenSSL HMAC, accepted by gidgethub",
        signers.github,
        header="X-Hub-Signature-256",
        encoding="hex",
        prefix="sha256=",
        body=ISSUE,
        extra=extra,
        expect={
            "by": "github[0]",
            "event_type": "issues",
            "delivery_id": "72d3162e-cc78-11e3-81ab",
        },
    )
    # GitHub's own example, from "Validating webhook deliveries".
    documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    vectors.add(
        "the documentation's example",
        {"headers": [["X-Hub-Signature-256", documented]], "body": "Hello, World!"},
        ok=True,
        auth={"secrets": ["It's a Secret to Everybody"]},
    )
    sha1 = [["X-Hub-Signature", "sha1=" + signers.mac(NEW, ISSUE.encode(), "sha1").hex()]]
    right, wrong = signers.github(NEW, ISSUE), [["X-Hub-Signature-256", "sha256=" + "0" * 64]]
    vectors.add("both generations", {"headers": sha1 + right, "body": ISSUE}, ok=True)
    vectors.add("SHA-1 alone", {"headers": sha1, "body": ISSUE}, ok=False)
    vectors.add(
        "right SHA-1 beside a wrong SHA-256", {"headers": sha1 + wrong, "body": ISSUE}, ok=False
    )
    form = "payload=%7B%22action%22%3A%22opened%22%7D"
    vectors.add(
        "valid form",
        {
            "headers": [
                *signers.github(NEW, form),
                *extra,
                ["Content-Type", "application/x-www-form-urlencoded"],
            ],
            "body": form,
        },
        ok=True,
        event_type="issues",
    )
    return vectors


def bitbucket() -> Vectors:
    return hmac_provider(
        "bitbucket",
        "OpenSSL HMAC",
        signers.plain("X-Hub-Signature", "sha256="),
        header="X-Hub-Signature",
        encoding="hex",
        prefix="sha256=",
        body='{"push":{"changes":[]}}',
        extra=[["X-Event-Key", "repo:push"], ["X-Request-UUID", "b1a3-77"]],
        expect={"event_type": "repo:push", "delivery_id": "b1a3-77"},
    )


def shopify() -> Vectors:
    return hmac_provider(
        "shopify",
        "OpenSSL HMAC",
        signers.plain("X-Shopify-Hmac-SHA256", encoding="base64"),
        header="X-Shopify-Hmac-SHA256",
        encoding="base64",
        body='{"id":820982911946154500,"email":"jon@example.com"}',
        extra=[
            ["X-Shopify-Topic", "orders/create"],
            ["X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5"],
            ["X-Shopify-Webhook-Id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"],
        ],
        expect={
            "event_type": "orders/create",
            "delivery_id": "98880550-7158-44d4-b7cd-2c97c8a091b5 orders/create",
        },
    )


def square() -> Vectors:
    url = "https://hooks.example.com/hooks/square"
    body = '{"merchant_id":"5S9MXCS9Y99KK","type":"payment.created","event_id":"6a8f5f28-54a1"}'
    vectors = hmac_provider(
        "square",
        "OpenSSL HMAC, accepted by squareup",
        signers.square(url),
        header="x-square-hmacsha256-signature",
        encoding="base64",
        body=body,
        auth={"url": url},
        expect={"event_type": "payment.created", "delivery_id": "6a8f5f28-54a1"},
    )
    queried = {"headers": signers.square(url + "?shop=1")(NEW, body, 0), "body": body}
    vectors.add("registered with a query", queried | {"query": "shop=1"}, ok=True)
    vectors.add("query flipped", queried | {"query": "shop=2"}, ok=False)
    vectors.add("query missing", queried, ok=False)
    vectors.add("query not ASCII", queried | {"query": "shop=é"}, ok=False, http=400)
    vectors.add("another URL", queried | {"query": "shop=1"}, ok=False,
                auth={"url": url + "2"})  # fmt: skip
    sha1 = signers.b64(signers.mac(NEW, (url + body).encode(), "sha1"))
    vectors.add("the old SHA-1 header alone", {"headers": [["x-square-signature", sha1]],
                "body": body}, ok=False)  # fmt: skip
    return vectors


def meta() -> Vectors:
    return hmac_provider(
        "meta",
        "OpenSSL HMAC",
        signers.plain("X-Hub-Signature-256", "sha256="),
        header="X-Hub-Signature-256",
        encoding="hex",
        prefix="sha256=",
        body='{"object":"instagram","entry":[{"id":"0","changes":[{"field":"comments","value":{}}]}]}',
        auth={"verify_token": "a-verify-token"},
        expect={"event_type": "instagram.comments"},
    )


def x() -> Vectors:
    vectors = hmac_provider(
        "x",
        "OpenSSL HMAC",
        signers.plain("x-twitter-webhooks-signature", "sha256=", "base64"),
        header="x-twitter-webhooks-signature",
        encoding="base64",
        prefix="sha256=",
        body='{"for_user_id":"2244994945","user_has_blocked":false,"tweet_create_events":[{"id":1}]}',
        expect={"event_type": "tweet_create_events"},
    )
    sign = signers.plain("x-twitter-webhooks-signature", "sha256=", "base64")
    for body in ("12345", "null", "true", "[1]"):
        vectors.add(
            f"the answer to a crc_token sent as the signature of {body}",
            {"headers": sign(NEW, body, 0), "body": body},
            ok=False,
        )
    return vectors
