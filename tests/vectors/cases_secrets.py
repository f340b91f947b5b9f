"""The cases of the providers that send the secret itself, and of two that sign in their own way."""

import base64
import json
from collections.abc import Callable

import signers
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from recipe import NEW, OLD, WRONG, Vectors, times
from signers import NOW_S, b64, mac


def tokened(name: str, header: str, prefix: str, body: str, expect: dict) -> Vectors:
    """Make the cases of a sender that sends the secret itself in a header."""
    vectors = Vectors(name, "the token is the secret itself", {"secrets": [NEW, OLD]})

    def request(value: str) -> dict:
        return {"headers": [[header, value]], "body": body}

    vectors.add("valid", request(prefix + NEW), ok=True, by=f"{name}[0]", **expect)
    vectors.add("valid, the older secret of a rotation", request(prefix + OLD), ok=True)
    vectors.add("another's token", request(prefix + WRONG), ok=False)
    vectors.add("no signature", {"headers": [], "body": body}, ok=False, code="unauthenticated")
    vectors.mutated("valid", ["signature", header, "plain", prefix])
    return vectors


def tokens(name: str, body: str, expect: dict) -> Vectors:
    """Make the cases of a sender that cannot sign: a bearer token, a password, the query."""
    vectors = tokened(name, "Authorization", "Bearer ", body, expect)

    def password(text: str) -> dict:
        value = "Basic " + base64.b64encode(text.encode()).decode()
        return {"headers": [["Authorization", value]], "body": body}

    def query(text: str) -> dict:
        return {"headers": [], "query": text, "body": body}

    vectors.add("a password", password(f"anybody:{NEW}"), ok=True, by=f"{name}[0]")
    vectors.add("a wrong password", password(f"anybody:{WRONG}"), ok=False)
    vectors.add("a password alone", password(NEW), ok=False)
    vectors.add("a token in the query", query(f"a=b&token={OLD}"), ok=True, by=f"{name}[1]")
    vectors.add("a wrong token in the query", query(f"token={WRONG}"), ok=False)
    vectors.add("two tokens in the query", query(f"token={NEW}&token={NEW}"), ok=False)
    vectors.add("an empty token in the query", query("token="), ok=False)
    return vectors


def postmark() -> Vectors:
    body = '{"RecordType":"Bounce","MessageID":"883953f4","Type":"HardBounce"}'
    expect = {"event_type": "Bounce", "delivery_id": None}
    vectors = Vectors("postmark", "RFC 7617 by hand", {"secrets": [NEW, OLD]})

    def request(text: str) -> dict:
        value = "Basic " + base64.b64encode(text.encode()).decode()
        return {"headers": [["Authorization", value]], "body": body}

    vectors.add("valid", request(f"postmark:{NEW}"), ok=True, by="postmark[0]", **expect)
    vectors.add("valid, the older secret of a rotation", request(f"p:{OLD}"), ok=True)
    vectors.add("another's password", request(f"p:{WRONG}"), ok=False)
    vectors.add("no signature", {"headers": [], "body": body}, ok=False, code="unauthenticated")
    vectors.mutated("valid", ["signature", "Authorization", "plain", "Basic "])
    return vectors


def sendgrid() -> Vectors:
    """Make the cases of an ECDSA signature; the key is from a number, so that it stays the same."""
    private = ec.derive_private_key(0x5EED, ec.SECP256R1())
    rogue = ec.derive_private_key(0xBAD, ec.SECP256R1())
    text, stamp = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
    body = '[{"email":"a@example.com","event":"delivered","sg_event_id":"x1"}]'

    def key(of: ec.EllipticCurvePrivateKey) -> str:
        der = of.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return b64(der)

    def request(at_s: int = NOW_S, signer: ec.EllipticCurvePrivateKey = private) -> dict:
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        signature = signer.sign(f"{at_s}{body}".encode(), how)
        return {"headers": [[text, b64(signature)], [stamp, str(at_s)]], "body": body}

    vectors = Vectors("sendgrid", "OpenSSL ECDSA", {"public_keys": [key(private)]})
    told = {"by": "sendgrid[0]", "event_type": "delivered", "delivery_id": None}
    vectors.add("valid", request(), ok=True, **told)
    two = {"public_keys": [key(rogue), key(private)]}
    vectors.add("valid, the second key of a rotation", request(), ok=True, auth=two)
    vectors.add("signed with another's key", request(signer=rogue), ok=False)
    vectors.mutated("valid", ["signature", text, "base64", ""], ["body"], ["timestamp", stamp],
                    ["api_keys", text])  # fmt: skip
    times(vectors, request)
    return vectors


def adyen() -> Vectors:
    """Make the cases of a signature in the body, over eight fields of which some may be absent."""
    keys = {name: signers.hashlib.sha256(name.encode()).hexdigest() for name in (NEW, OLD, WRONG)}
    vectors = Vectors("adyen", "OpenSSL HMAC", {"secrets": [keys[NEW], keys[OLD]]})
    names = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")

    def request(secret: str = NEW, change: Callable[[dict], None] | None = None) -> dict:
        item = {
            "amount": {"value": 1130, "currency": "EUR"},
            "pspReference": "7914073381342284",
            "eventCode": "AUTHORISATION",
            "merchantAccountCode": "TestMerchant",
            "merchantReference": "TestPayment-1407325143704",
            "success": "true",
        }
        values = [item.get(name, "") for name in names]
        values += [item["amount"]["value"], item["amount"]["currency"]]
        values += [item["eventCode"], item["success"]]
        message = ":".join(map(str, values))
        digest = mac(bytes.fromhex(keys[secret]), message.encode())
        item["additionalData"] = {"hmacSignature": b64(digest)}
        if change is not None:
            change(item)
        document = {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}
        return {"headers": [], "body": json.dumps(document)}

    def signature(value: object) -> Callable[[dict], None]:
        return lambda item: item["additionalData"].update(hmacSignature=value)

    told = {"event_type": "AUTHORISATION", "delivery_id": "7914073381342284.AUTHORISATION.true"}
    vectors.add("valid", request(), ok=True, by="adyen[0]", **told)
    vectors.add("valid, the older secret of a rotation", request(OLD), ok=True)
    vectors.add("signed with a secret that is gone", request(WRONG), ok=False)
    spoiled = {
        "amount flipped": lambda item: item["amount"].update(value=1131),
        "an absent field added": lambda item: item.update(originalReference="x"),
        "a field missing": lambda item: item.pop("merchantReference"),
        "success flipped": lambda item: item.update(success="false"),
        "signature missing": lambda item: item.pop("additionalData"),
        "signature empty": signature(""),
        "signature huge": signature("a" * 6000),
        "signature not ASCII": signature("ключ"),
        "signature doubled": signature(["x", "x"]),
        "signature a number": signature(7),
    }
    for name, change in spoiled.items():
        vectors.add(name, request(change=change), ok=False)
    return vectors


def telegram() -> Vectors:
    return tokened(
        "telegram",
        "X-Telegram-Bot-Api-Secret-Token",
        "",
        '{"update_id":10000,"message":{"message_id":1365,"text":"/start"}}',
        {"event_type": "message", "delivery_id": "10000"},
    )


def _authorized(name: str, body: str, expect: dict) -> Callable[[], Vectors]:
    return lambda: tokened(name, "Authorization", "", body, expect)


TOKENS = {
    "docker-hub": ('{"push_data":{"tag":"latest"},"repository":{"repo_name":"a/b"}}', None, None),
    "alertmanager": ('{"version":"4","status":"firing","alerts":[]}', "firing", None),
    "azure-event-grid": (
        '[{"id":"2d1781af","eventType":"Microsoft.Storage.BlobCreated","data":{}}]',
        "Microsoft.Storage.BlobCreated",
        "2d1781af",
    ),
    "plex": ('{"event":"media.play"}', None, None),
    "uptime-kuma": ('{"heartbeat":{"status":0},"msg":"down"}', "0", None),
    "home-assistant": ('{"event_type":"door_opened"}', "door_opened", None),
}
SECRETS: tuple[Callable[[], Vectors], ...] = (
    *(
        lambda name=name, row=row: tokens(
            name, row[0], {"event_type": row[1], "delivery_id": row[2]}
        )
        for name, row in TOKENS.items()
    ),
    telegram,
    postmark,
    sendgrid,
    adyen,
    _authorized(
        "okta",
        '{"eventId":"b5a188b9","data":{"events":[{"eventType":"user.lifecycle.create"}]}}',
        {"event_type": "user.lifecycle.create", "delivery_id": "b5a188b9"},
    ),
    _authorized(
        "auth0",
        '[{"log_id":"90020","data":{"type":"s","date":"2027-01-14T23:59:00.000Z"}}]',
        {"event_type": "s", "delivery_id": None},
    ),
)
