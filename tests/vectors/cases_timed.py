"""The cases of the providers that sign a timestamp, too."""

import base64
import json

import mutations as mutate
import signers
from recipe import API_KEY, NEW, OLD, WRONG, Vectors, hmac_provider, times
from signers import NOW_S

KEYED = f"Bearer {API_KEY}"


def gitlab() -> Vectors:
    push = '{"object_kind":"push","ref":"refs/heads/main"}'
    whsec = {name: "whsec_" + base64.b64encode(name.encode() * 3).decode() for name in (OLD, NEW)}
    extra = [["X-Gitlab-Event", "Push Hook"], ["Idempotency-Key", "f5e5f430-f57b-4e6e-9fac"]]
    signed = signers.standard("webhook", "f5e5f430-f57b-4e6e-9fac")
    vectors = hmac_provider(
        "gitlab",
        "standardwebhooks; the token is the secret itself",
        signed,
        header="webhook-signature",
        encoding="base64",
        prefix="v1,",
        body=push,
        extra=extra,
        timestamp="webhook-timestamp",
        id_header="webhook-id",
        new=whsec[NEW],
        old=whsec[OLD],
        wrong="whsec_" + base64.b64encode(b"w" * 32).decode(),
        expect={
            "by": "gitlab[0]",
            "event_type": "Push Hook",
            "delivery_id": "f5e5f430-f57b-4e6e-9fac",
        },
    )
    token = {"secrets": ["a-token", "b-token"]}
    both = {"secrets": [whsec[NEW], "a-token"]}

    def tokened(*values: object) -> dict:
        return {"headers": [*extra, *(["X-Gitlab-Token", v] for v in values)], "body": push}

    vectors.add("token", tokened("a-token"), ok=True, by="gitlab[0]", auth=token)
    vectors.add("second token", tokened("b-token"), ok=True, by="gitlab[1]", auth=token)
    for name, values in {
        "token flipped": ["a-tokem"],
        "token empty": [""],
        "token longer": ["a-token-"],
        "token not ASCII": ["a-tokén"],
        "token doubled": ["a-token", "a-token"],
        "token huge": [{"repeat": ["a", 6000]}],
        "a signing token sent as a token": [whsec[NEW]],
    }.items():
        vectors.add(name, tokened(*values), ok=False, auth=both)
    vectors.add("token where only a signing token is configured", tokened("x"), ok=False)
    right, stamp = signed(whsec[NEW], push, NOW_S), [["X-Gitlab-Token", "a-token"]]
    bad = mutate.with_header({"headers": right, "body": push}, "webhook-signature", mutate.flip)
    vectors.add("both right", {"headers": right + stamp, "body": push}, ok=True, auth=both)
    vectors.add("right token beside a wrong signature", bad | {"headers": bad["headers"] + stamp},
                ok=False, auth=both)  # fmt: skip
    vectors.add(
        "signature that no configured key can check", {"headers": right, "body": push}, ok=False,
        auth=token,
    )  # fmt: skip
    return vectors


def slack() -> Vectors:
    event = '"event":{"type":"app_mention","text":"hi"}'
    body = f'{{"type":"event_callback",{event},"event_id":"Ev08MFMKH6"}}'
    vectors = hmac_provider(
        "slack",
        "slack_sdk",
        signers.slack,
        header="X-Slack-Signature",
        encoding="hex",
        prefix="v0=",
        body=body,
        timestamp="X-Slack-Request-Timestamp",
        expect={"by": "slack[0]", "event_type": "app_mention", "delivery_id": "Ev08MFMKH6"},
    )
    limited = '{"type":"app_rate_limited","minute_rate_limited":1518467820}'
    vectors.add(
        "an event outside an envelope",
        {"headers": signers.slack(NEW, limited, NOW_S), "body": limited},
        ok=True,
        event_type="app_rate_limited",
        delivery_id=None,
    )
    command = "token=x&command=%2Fweather&text=94070"
    vectors.add(
        "a slash command",
        {
            "headers": [
                *signers.slack(NEW, command, NOW_S),
                ["Content-Type", "application/x-www-form-urlencoded"],
            ],
            "body": command,
        },
        ok=True,
        event_type="/weather",
    )
    return vectors


def stripe() -> Vectors:
    body = '{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","type":"invoice.paid"}'
    vectors = hmac_provider(
        "stripe",
        "stripe",
        signers.stripe_header,
        header="Stripe-Signature",
        encoding="",
        body=body,
        timed=True,
        old="whsec_b2xkLXNlY3JldA==",
        new="whsec_bmV3LXNlY3JldA==",
        wrong="whsec_d3Jvbmc=",
        expect={
            "by": "stripe[0]",
            "event_type": "invoice.paid",
            "delivery_id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
        },
    )
    right = signers.stripe_header("whsec_bmV3LXNlY3JldA==", body, NOW_S)[0][1]
    older = signers.stripe_header("whsec_b2xkLXNlY3JldA==", body, NOW_S)[0][1].split("v1=")[1]
    t, v1 = right.split(",")
    decoded = signers.mac(b"new-secret", f"{NOW_S}.{body}".encode()).hex()
    zero = "0" * 64

    def sent(value: object) -> dict:
        return {"headers": [["Stripe-Signature", value]], "body": body}

    for name, value in {
        "v0 is ignored": f"{t},{v1},v0={zero}",
        "two v1 during a roll": f"{t},v1={older},{v1}",
        "a wrong v1 beside a right one": f"{t},v1={zero},{v1}",
        "the timestamp last": f"{v1},{t}",
        "hex in upper case": f"{t},v1={v1[3:].upper()}",
    }.items():
        vectors.add(name, sent(value), ok=True)
    for name, value in {
        "key decoded from base64": f"{t},v1={decoded}",
        "no v1": t,
        "only v0": f"{t},v0={v1[3:]}",
        "no timestamp": v1,
        "two timestamps": f"{t},{t},{v1}",
        "two different timestamps": f"{t},t={NOW_S - 9000},{v1}",
        "timestamp flipped": f"t={NOW_S + 1},{v1}",
        "timestamp empty": f"t=,{v1}",
        "timestamp a word": f"t=now,{v1}",
        "timestamp with an underscore": f"t=1_800_000_000,{v1}",
        "timestamp in Arabic digits": right.replace(t, t.translate(mutate.ARABIC_DIGITS)),
        "timestamp huge": {"repeat": ["t=9", 1500]},
        "an element without a value": f"{t},{v1},x",
        "v1 empty": f"{t},v1=",
        "v1 not hex": f"{t},v1={'g' * 64}",
        "v1 of odd length": f"{t},{v1[:-1]}",
        "v1 with two equal signs": f"{t},v1=={v1[3:]}",
        "seventeen signatures": f"{t}" + f",v1={zero}" * 16 + f",{v1}",
        "commas alone": ",,,,",
    }.items():
        vectors.add(name, sent(value), ok=False)
    return vectors


def linear() -> Vectors:
    def body(at_ms: object) -> str:
        return f'{{"action":"create","type":"Issue","data":{{}},"webhookTimestamp":{at_ms}}}'

    sign = signers.plain("Linear-Signature")
    extra = [["Linear-Delivery", "234d1a4e-b617-4388-90fe"], ["Linear-Event", "Issue"]]
    vectors = hmac_provider(
        "linear",
        "OpenSSL HMAC",
        sign,
        header="Linear-Signature",
        encoding="hex",
        body=body(NOW_S * 1000),
        extra=extra,
        expect={"event_type": "Issue.create", "delivery_id": "234d1a4e-b617-4388-90fe"},
    )

    def signed(text: str) -> dict:
        return {"headers": sign(NEW, text, 0) + extra, "body": text}

    times(vectors, lambda at_s: signed(body(at_s * 1000)))
    for value in ("null", '""', '"now"', "1.5", "true", "[]", "-5", "1e20", "9" * 40):
        vectors.add(f"timestamp {value}", signed(body(value)), ok=False)
    vectors.add("no timestamp", signed('{"type":"Issue"}'), ok=False)
    vectors.add("signed, but not JSON", signed("nonsense"), ok=False)
    vectors.add("signed, but a list", signed("[1]"), ok=False)
    return vectors


def standard_webhooks() -> Vectors:
    body = '{"type":"contact.created","timestamp":"2022-11-03T20:26:10Z","data":{"id":"1f81"}}'
    key = {name: "whsec_" + base64.b64encode(name.encode() * 3).decode() for name in (OLD, NEW)}
    msg_id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
    sign = signers.standard("webhook", msg_id)
    vectors = hmac_provider(
        "standard-webhooks",
        "standardwebhooks; v1a by PyNaCl",
        sign,
        header="webhook-signature",
        encoding="base64",
        prefix="v1,",
        body=body,
        timestamp="webhook-timestamp",
        id_header="webhook-id",
        new=key[NEW],
        old=key[OLD],
        wrong="whsec_" + base64.b64encode(b"w" * 32).decode(),
        expect={
            "by": "standard-webhooks[0]",
            "event_type": "contact.created",
            "delivery_id": msg_id,
        },
    )
    # The specification's own example.
    vectors.add(
        "the specification's example",
        {
            "headers": [
                ["webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"],
                ["webhook-timestamp", "1614265330"],
                ["webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="],
            ],
            "body": '{"test": 2432232314}',
        },
        ok=True,
        auth={"secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "tolerance_s": 10**9},
    )
    unpadded = key[NEW].rstrip("=")
    right = sign(key[NEW], body, NOW_S)
    vectors.add("unpadded secret", {"headers": right, "body": body}, ok=True,
                auth={"secrets": [unpadded]})  # fmt: skip
    vectors.add("secret without its prefix", {"headers": right, "body": body}, ok=True,
                auth={"secrets": [key[NEW].removeprefix("whsec_")]})  # fmt: skip
    svix = signers.standard("svix", msg_id)(key[NEW], body, NOW_S)
    vectors.add("svix headers", {"headers": svix, "body": body}, ok=True, by="svix[0]",
                delivery_id=msg_id)  # fmt: skip
    vectors.mutated(
        "svix headers",
        ["signature", "svix-signature", "base64", "v1,"],
        ["timestamp", "svix-timestamp"],
        prefix="svix: ",
    )
    signature, rest = right[0][1], right[1:]
    foreign = "v1," + base64.b64encode(bytes(32)).decode()

    def listed(*values: object) -> dict:
        return {"headers": [["webhook-signature", " ".join(values)], *rest], "body": body}

    for name, values in {
        "two signatures during a roll": [foreign, signature],
        "an unknown version beside ours": ["v9,anything", signature],
        "v1a without a public key beside ours": ["v1a,AAAA", signature],
    }.items():
        vectors.add(name, listed(*values), ok=True)
    for name, values in {
        "only an unknown version": ["v9,anything"],
        "a version without a signature": ["v1"],
        "a version with two signatures": [signature + ",b"],
        "an empty signature": ["v1,"],
        "an empty version": ["," + signature[3:]],
        "two blanks between": [foreign, "", signature],
        "seventeen signatures": [foreign] * 16 + [signature],
        "the version in upper case": ["V" + signature[1:]],
    }.items():
        vectors.add(name, listed(*values), ok=False)
    for name, (odd, more) in {
        "empty": ("", {}),
        "of 9,000 letters": ("a" * 9000, {"http": 431}),
    }.items():
        headers = signers.standard("webhook", odd)(key[NEW], body, NOW_S)
        vectors.add(f"id {name}, signed", {"headers": headers, "body": body}, ok=False, **more)
    _v1a(vectors, body, key[NEW])
    return vectors


def _v1a(vectors: Vectors, body: str, secret: str) -> None:
    public = {"secrets": [], "public_keys": [signers.whpk("seed-2"), signers.whpk("seed-1")]}
    for prefix, by in (("webhook", "standard-webhooks-v1a"), ("svix", "svix-v1a")):

        def request(seed: str, at_s: int = NOW_S, prefix: str = prefix) -> dict:
            return {"headers": signers.standard_v1a(prefix, seed, body, at_s), "body": body}

        right = request("seed-1")
        vectors.add(f"v1a {prefix}: valid", right, ok=True, by=f"{by}[1]", auth=public)
        vectors.add(f"v1a {prefix}: other key", request("seed-2"), ok=True, auth=public)
        bad = [("key that is gone", request("seed-3")), ("too old", request("seed-1", NOW_S - 301)),
               ("too early", request("seed-1", NOW_S + 301))]  # fmt: skip
        vectors.mutated(
            f"v1a {prefix}: valid",
            ["signature", f"{prefix}-signature", "base64", "v1a,"],
            ["timestamp", f"{prefix}-timestamp"],
            ["id", f"{prefix}-id"],
            ["body"],
            prefix=f"v1a {prefix}: ",
        )
        for name, case in bad:
            vectors.add(f"v1a {prefix}: {name}", case, ok=False, auth=public)
    right = signers.standard_v1a("webhook", "seed-1", body, NOW_S)
    vectors.add("v1a as v1, the public key as a secret", {
        "headers": [["webhook-signature", right[0][1].replace("v1a", "v1")], *right[1:]],
        "body": body}, ok=False, auth=public)  # fmt: skip
    both = {"secrets": [secret], "public_keys": public["public_keys"]}
    hmac = signers.standard("webhook", "msg_a1")(secret, body, NOW_S)[0][1]
    headers = [["webhook-signature", f"{hmac} {right[0][1]}"], *right[1:]]
    vectors.add("v1 and v1a together", {"headers": headers, "body": body}, ok=True, auth=both)
    wrong = [["webhook-signature", f"{hmac} {mutate.flip(right[0][1])}"], *right[1:]]
    vectors.add("right v1 beside a wrong v1a", {"headers": wrong, "body": body}, ok=False,
                auth=both)  # fmt: skip


def discord() -> Vectors:
    body = '{"version":1,"application_id":"1234","type":1,"event":{"type":"ENTITLEMENT_CREATE"}}'
    public = [bytes(signers.signing_key(seed).verify_key).hex() for seed in ("new", "old")]
    return hmac_provider(
        "discord",
        "PyNaCl",
        signers.discord,
        header="X-Signature-Ed25519",
        encoding="hex",
        body=body,
        timestamp="X-Signature-Timestamp",
        auth={"secrets": [], "public_keys": public},
        new="new",
        old="old",
        wrong="gone",
        expect={"by": "discord[0]", "event_type": "ENTITLEMENT_CREATE", "delivery_id": None},
    )


def zoom() -> Vectors:
    return hmac_provider(
        "zoom",
        "OpenSSL HMAC",
        signers.zoom,
        header="x-zm-signature",
        encoding="hex",
        prefix="v0=",
        body='{"event":"meeting.started","event_ts":1626230691572,"payload":{"object":{}}}',
        timestamp="x-zm-request-timestamp",
        expect={"event_type": "meeting.started", "delivery_id": None},
    )


def mailgun() -> Vectors:
    vectors = Vectors("mailgun", "OpenSSL HMAC", {"secrets": [NEW, OLD]})
    token = "50-characters-of-randomness-0123456789abcdefghijkl"

    def request(secret: str = NEW, at_s: int = NOW_S, **fields: object) -> dict:
        signed = signers.mac(secret, f"{at_s}{token}".encode()).hex()
        signature = {"timestamp": str(at_s), "token": token, "signature": signed} | fields
        text = {k: v for k, v in signature.items() if v is not None}
        return _json_body({"signature": text, "event-data": {"event": "opened", "id": "x"}})

    vectors.add("valid", request(), ok=True, by="mailgun[0]", event_type="opened",
                delivery_id=token)  # fmt: skip
    vectors.add("valid, the older secret of a rotation", request(OLD), ok=True, by="mailgun[1]")
    vectors.add("signed with a secret that is gone", request(WRONG), ok=False)
    times(vectors, lambda at_s: request(at_s=at_s))
    right = signers.mac(NEW, f"{NOW_S}{token}".encode()).hex()
    for name, fields in {
        "signature flipped": {"signature": mutate.flip(right)},
        "signature empty": {"signature": ""},
        "signature not hex": {"signature": "zz" * 32},
        "signature of odd length": {"signature": right[:-1]},
        "signature not ASCII": {"signature": right[:-1] + "é"},
        "signature huge": {"signature": "a" * 5000},
        "signature a number": {"signature": 5},
        "signature an object": {"signature": {}},
        "signature a list": {"signature": [right]},
        "timestamp flipped": {"timestamp": str(NOW_S + 1)},
        "timestamp missing": {"timestamp": None},
        "timestamp a word": {"timestamp": "now"},
        "timestamp with an underscore": {"timestamp": "1_800_000_000"},
        "timestamp in Arabic digits": {"timestamp": str(NOW_S).translate(mutate.ARABIC_DIGITS)},
        "timestamp true": {"timestamp": True},
        "token flipped": {"token": mutate.flip(token)},
        "token missing": {"token": None},
        "token empty": {"token": ""},
        "token not ASCII": {"token": "токен"},
        "token an object": {"token": {}},
    }.items():
        vectors.add(name, request(**fields), ok=False)
    vectors.add("timestamp as a number", request(timestamp=NOW_S), ok=True)
    for name, body in {
        "no signature": '{"event-data":{}}',
        "signature missing": '{"signature":{"timestamp":"1","token":"x"}}',
        "not JSON": "{",
        "a list": "[]",
        "empty": "",
    }.items():
        vectors.add(name, {"headers": [], "body": body}, ok=False)
    keyed = {"headers": [["Authorization", KEYED]], "body": '{"event-data":{}}'}
    vectors.add("API key instead", keyed, ok=True, by="api_key:vectors")
    wrong = request(WRONG)
    vectors.add("wrong signature beside a right API key", wrong | {"headers": keyed["headers"]},
                ok=False)  # fmt: skip
    kind = [["Content-Type", "application/x-www-form-urlencoded"]]
    form = f"event=opened&timestamp={NOW_S}&token={token}&signature={right}"
    vectors.add("valid form", {"headers": kind, "body": form}, ok=True, event_type="opened",
                delivery_id=token)  # fmt: skip
    vectors.add("form with its signature flipped", {"headers": kind, "body": mutate.flip(form)},
                ok=False)  # fmt: skip
    vectors.add("form with two signatures", {"headers": kind, "body": f"{form}&signature={right}"},
                ok=False)  # fmt: skip
    return vectors


def _json_body(document: object) -> dict:
    return {"headers": [["Content-Type", "application/json"]], "body": json.dumps(document)}
