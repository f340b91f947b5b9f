"""The cases of the providers whose schemes are code: Twilio, Jira's tokens, PayPal."""

import base64
import hashlib
import json
from urllib.parse import urlencode

import mutations as mutate
import signers
from recipe import NEW, OLD, WRONG, Vectors, hmac_provider, times
from signers import NOW_S

FORM = [["Content-Type", "application/x-www-form-urlencoded"]]
JSON = [["Content-Type", "application/json"]]


def twilio() -> Vectors:
    url = "https://hooks.example.com/hooks/twilio"
    vectors = Vectors("twilio", "twilio", {"secrets": [NEW, OLD], "url": url})
    pairs = [
        ("MessageStatus", "delivered"),
        ("To", "+14155551212"),
        ("Body", "Grüße & 100% = ok"),
        ("Empty", ""),
        ("AccountSid", "AC1"),
    ]

    def form(secret: str = NEW, at: str = url, sent=pairs, algorithm: str = "HMAC_SHA1") -> dict:
        value = signers.twilio(secret, at, sent, algorithm)
        headers = [["X-Twilio-Signature", value], *FORM, ["I-Twilio-Idempotency-Token", "tok-1"]]
        if algorithm != "HMAC_SHA1":
            settings = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
            headers.append(["X-Twilio-Webhooks-Signature-Settings", settings])
        return {"headers": headers, "body": urlencode(sent)}

    right = form()
    vectors.add("valid", right, ok=True, by="twilio[0]", event_type="delivered",
                delivery_id="tok-1")  # fmt: skip
    vectors.add("valid, the older secret of a rotation", form(OLD), ok=True, by="twilio[1]")
    vectors.add("signed with a secret that is gone", form(WRONG), ok=False)
    with_port = "https://hooks.example.com:443/hooks/twilio"
    vectors.add("signed with the default port", form(at=with_port), ok=True)
    vectors.add("configured with the default port", right, ok=True, auth={"url": with_port})
    odd = "http://hooks.example.com:8080/hooks/twilio"
    vectors.add("another port", form(at=odd), ok=True, auth={"url": odd})
    vectors.add("signed without the other port", form(at=odd.replace(":8080", "")), ok=True,
                auth={"url": odd})  # fmt: skip
    vectors.add("signed with a port nobody has", form(at=with_port.replace("443", "8443")),
                ok=False)  # fmt: skip
    vectors.add("another host", form(at="https://evil.example.com/hooks/twilio"), ok=False)
    vectors.add("another scheme", form(at=url.replace("https", "http")), ok=False)
    queried = form(at=url + "?a=b&c=%20d") | {"query": "a=b&c=%20d"}
    vectors.add("with a query", queried, ok=True)
    vectors.add("query flipped", queried | {"query": "a=b&c=%20e"}, ok=False)
    vectors.add("query missing", queried | {"query": ""}, ok=False)
    vectors.add("query not ASCII", queried | {"query": "a=é"}, ok=False, http=400)
    vectors.add("query of many fields", queried | {"query": {"repeat": ["a=b&", 500]}}, ok=False)
    repeated = [("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "b"), ("To", "1")]
    vectors.add("repeated parameters", form(sent=repeated), ok=True)
    vectors.add("no parameters", form(sent=[]), ok=True)
    ways = [["signature", "X-Twilio-Signature", "base64", ""], ["api_keys", "X-Twilio-Signature"]]
    vectors.mutated("valid", *ways)
    for name, body in {
        "parameter flipped": right["body"].replace("delivered", "delivereD"),
        "parameter name flipped": right["body"].replace("To=", "Tp="),
        "parameter added": right["body"] + "&X=1",
        "parameter dropped": right["body"].replace("&AccountSid=AC1", ""),
        "body empty": "",
        "body of broken UTF-8": right["body"] + "&X=%ff",
        "body not ASCII": right["body"] + "&X=é",
        "body of too many fields": {"repeat": ["a=b&", 1200]},
    }.items():
        vectors.add(name, right | {"body": body}, ok=False)
    shared = form(algorithm="HMAC_SHA256")
    vectors.add("shared key, HMAC_SHA256", shared, ok=True)
    settings = "X-Twilio-Webhooks-Signature-Settings"
    for name, case in {
        "shared key: flipped": mutate.with_header(
            shared, "X-Twilio-Signature", mutate.flipped_text
        ),
        "shared key: settings missing": mutate.with_header(shared, settings, None),
        "shared key: unknown algorithm": mutate.with_header(
            shared, settings, lambda _: "key=a,algorithm=NONE"
        ),
        "SHA-1 signature of an unknown algorithm": mutate.add_header(
            right, settings, "algorithm=HMAC_MD5"
        ),
        "shared key: settings doubled": mutate.add_header(shared, settings, "algorithm=HMAC_SHA1"),
        "SHA-1 signature called SHA-256": mutate.add_header(
            right, settings, "algorithm=HMAC_SHA256"
        ),
    }.items():
        vectors.add(name, case, ok=False)
    _twilio_json(vectors, url)
    return vectors


def _twilio_json(vectors: Vectors, url: str) -> None:
    body = '[{"type":"com.twilio.messaging.message.sent","data":{}}]'
    query = "bodySHA256=" + hashlib.sha256(body.encode()).hexdigest()

    def request(text: str = body, sent: str = query, signed: str = query) -> dict:
        value = signers.twilio(NEW, f"{url}?{signed}", [])
        return {"headers": [["X-Twilio-Signature", value], *JSON], "body": text, "query": sent}

    vectors.add("JSON: valid", request(), ok=True)
    more = f"foo=bar&{query}"
    vectors.add("JSON: beside another field", request(sent=more, signed=more), ok=True)
    bare = {"headers": [["X-Twilio-Signature", signers.twilio(NEW, url, [])], *JSON], "body": body}
    other = "bodySHA256=" + hashlib.sha256(b"{}").hexdigest()
    captured = mutate.with_header(request(), "Content-Type", lambda _: FORM[0][1])
    for name, case in {
        "body flipped": request(text=mutate.flip(body)),
        "body empty": request(text=""),
        "hash of another body, not signed": request(text="{}", sent=other),
        "hash flipped": request(sent=mutate.flipped_text(query)),
        "hash twice": request(sent=f"{query}&{query}", signed=f"{query}&{query}"),
        "hash empty": request(sent="bodySHA256=", signed="bodySHA256="),
        "hash not hex": request(sent="bodySHA256=zz", signed="bodySHA256=zz"),
        "no hash": bare,
        "sent again as an empty form": captured | {"body": ""},
        "sent again as another form": captured | {"body": "a=b"},
    }.items():
        vectors.add(f"JSON: {name}", case, ok=False)


def jira() -> Vectors:
    url = "https://hooks.example.com/hooks/jira"
    body = '{"timestamp":1525698237764,"webhookEvent":"jira:issue_updated","issue":{"id":"99291"}}'
    extra = [["X-Atlassian-Webhook-Identifier", "1be1-77"]]
    vectors = hmac_provider(
        "jira",
        "OpenSSL HMAC; PyJWT and atlassian-jwt",
        signers.plain("X-Hub-Signature", "sha256="),
        header="X-Hub-Signature",
        encoding="hex",
        prefix="sha256=",
        body=body,
        extra=extra,
        auth={"url": url},
        # HS256 wants 32 bytes; PyJWT warns below that
        new=NEW * 3,
        old=OLD * 3,
        wrong=WRONG * 3,
        expect={
            "by": "jira[0]",
            "event_type": "jira:issue_updated",
            "delivery_id": "1be1-77",
        },
    )
    _jira_tokens(vectors, body, extra)
    return vectors


def _jira_tokens(vectors: Vectors, body: str, extra: list) -> None:
    secret, path = NEW * 3, "/hooks/jira"
    qsh = signers.qsh("POST", path)
    claims = {"iss": "client-key", "iat": NOW_S - 10, "exp": NOW_S + 170, "qsh": qsh}
    plain = {"iss": "client-key", "iat": NOW_S - 10, "exp": NOW_S + 170}

    def sent(kind: str, token: object) -> dict:
        value = f"{kind} {token}" if isinstance(token, str) else token
        return {"headers": [["Authorization", value], *extra], "body": body}

    def made(changed: dict, *, key: str = secret, kind: str = "JWT", **more: object) -> dict:
        kept = {k: v for k, v in changed.items() if v is not None}
        return sent(kind, signers.jira_jwt(key, kept, **more))

    token = signers.jira_jwt(secret, claims)
    head, middle, signature = token.split(".")
    vectors.add("Connect: valid", sent("JWT", token), ok=True, by="jira[0]")
    vectors.add("Connect: lower case", sent("jwt", token), ok=True)
    vectors.add("Connect: older secret", made(claims, key=OLD * 3), ok=True, by="jira[1]")
    vectors.add("dynamic: valid", made(plain, kind="Bearer"), ok=True)
    vectors.add("dynamic: with a qsh that holds", made(claims, kind="Bearer"), ok=True)
    asked = "user_id=a%40b&q=x+y&q=a%2Fb&jwt=ignored&empty="
    vectors.add(
        "Connect: with a query",
        made(claims | {"qsh": signers.qsh("POST", f"{path}?{asked}")}) | {"query": asked},
        ok=True,
    )
    vectors.add("Connect: expired within the tolerance", made(claims | {"exp": NOW_S - 300}),
                ok=True)  # fmt: skip
    vectors.add("Connect: exp a fraction",
                sent("JWT", _signed(secret, claims | {"exp": NOW_S + 1.5})), ok=True)  # fmt: skip
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    rs256 = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').rstrip(b"=").decode()
    bad = {
        "secret that is gone": made(claims, key=WRONG * 3),
        "expired": made(claims | {"exp": NOW_S - 301}),
        "not yet valid": made(claims | {"nbf": NOW_S + 301}),
        "issued in the future": made(claims | {"iat": NOW_S + 301}),
        "no exp": made(claims | {"exp": None}),
        "exp a word": sent("JWT", _signed(secret, claims | {"exp": "tomorrow"})),
        "exp null": sent("JWT", _signed(secret, claims | {"exp": None})),
        "exp huge": sent("JWT", _signed(secret, claims | {"exp": 10**40})),
        "no issuer": made(claims | {"iss": None}),
        "issuer a number": sent("JWT", _signed(secret, claims | {"iss": 5})),
        "no qsh": made(plain),
        "qsh of a GET": made(claims | {"qsh": signers.qsh("GET", path)}),
        "qsh of another path": made(claims | {"qsh": signers.qsh("POST", "/installed")}),
        "qsh of a context token": made(claims | {"qsh": "context-qsh"}),
        "qsh of a context token, as Bearer": made(claims | {"qsh": "context-qsh"}, kind="Bearer"),
        "qsh not text": made(claims | {"qsh": 5}),
        "qsh not ASCII": made(claims | {"qsh": "é"}),
        "qsh for a request without this query": made(claims) | {"query": "a=b"},
        "HS512": made(claims, key=secret * 2, algorithm="HS512"),
        "none": sent("JWT", f"{none}.{middle}."),
        "none with the signature left": sent("JWT", f"{none}.{middle}.{signature}"),
        "RS256 signed with the secret": sent("JWT", _signed(secret, claims, rs256)),
        "crit header": made(claims, headers={"crit": ["b64"]}),
        "header flipped": sent("JWT", f"{mutate.flip(head)}.{middle}.{signature}"),
        "claims flipped": sent("JWT", f"{head}.{mutate.flip(middle)}.{signature}"),
        "signature flipped": sent("JWT", f"{head}.{middle}.{mutate.flip(signature)}"),
        "signature cut": sent("JWT", token[:-1]),
        "signature padded": sent("JWT", token + "="),
        "claims a list": sent("JWT", _signed(secret, [])),
        "two parts": sent("JWT", f"{head}.{middle}"),
        "four parts": sent("JWT", f"{token}.x"),
        "five parts": sent("JWT", f"{token}.x.y"),
        "empty": sent("JWT", ""),
        "dots": sent("JWT", ".."),
        "not base64": sent("JWT", "*.*.*"),
        "not JSON": sent("JWT", "YWJj.YWJj.YWJj"),
        "not ASCII": sent("JWT", "ключ.ключ.ключ"),
        "huge": sent("JWT", {"repeat": ["JWT ", 2000]}),
        "another kind": sent("Basic", token),
        "doubled": mutate.add_header(sent("JWT", token), "Authorization", f"JWT {token}"),
    }
    for name, case in bad.items():
        vectors.add(f"token: {name}", case, ok=False)
    right = signers.plain("X-Hub-Signature", "sha256=")(secret, body, 0)
    wrong = [["X-Hub-Signature", "sha256=" + "0" * 64]]
    beside = sent("JWT", token)
    vectors.add("right token beside a wrong signature",
                beside | {"headers": beside["headers"] + wrong}, ok=False)  # fmt: skip
    vectors.add("both right", beside | {"headers": beside["headers"] + right}, ok=True)


def _signed(secret: str, claims: object, header: str | None = None) -> str:
    """Sign claims that PyJWT itself would refuse to encode."""
    head = header or base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    signature = signers.mac(secret, f"{head}.{middle}".encode())
    return f"{head}.{middle}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


CERT_BASE = "https://api.paypal.com/v1/notifications/certs/CERT-"


def paypal() -> Vectors:
    root, rogue = signers.PayPalAuthority("Vector Root"), signers.PayPalAuthority("Vector Root")
    sent = signers.PayPalAuthority("Sent along", root)
    known = signers.PayPalAuthority("Known beforehand", root)
    leaf, key = root.leaf("messageverificationcerts.paypal.com")
    names = {
        "good": (leaf, key),
        "intermediate": sent.leaf("messageverificationcerts.paypal.com"),
        "no-intermediate": sent.leaf("messageverificationcerts.paypal.com"),
        "known": known.leaf("messageverificationcerts.paypal.com"),
        "wildcard": root.leaf("*.paypal.com"),
        "rogue": rogue.leaf("messageverificationcerts.paypal.com"),
        "other-host": root.leaf("messageverificationcerts.example.com"),
        "suffix": root.leaf("evilpaypal.com"),
        "expired": root.leaf("messageverificationcerts.paypal.com", (2024, 2026)),
        "early": root.leaf("messageverificationcerts.paypal.com", (2030, 2034)),
    }
    certificates = {CERT_BASE + name: pem for name, (pem, _) in names.items()}
    certificates[CERT_BASE + "intermediate"] += signers.pem(sent.certificate)
    certificates[CERT_BASE + "garbage"] = "not a certificate"
    certificates[CERT_BASE + "empty"] = ""
    certificates[CERT_BASE + "bundle"] = leaf + signers.pem(root.certificate)
    sandbox = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-good"
    certificates[sandbox] = leaf
    vectors = Vectors("paypal", "RSA and X.509 by cryptography", {"secrets": [],
                      "webhook_id": "1JE4291016473214C"})  # fmt: skip
    vectors.document["certificates"] = certificates
    vectors.document["roots"] = signers.pem(root.certificate) + signers.pem(known.certificate)
    body = '{"id":"WH-2WR32451HC0233532","event_type":"PAYMENT.SALE.COMPLETED","resource":{}}'

    def request(
        name: str = "good", text: str = body, at_s: int = NOW_S, url: str = "", hook: str = ""
    ) -> dict:
        signer = names.get(name, names["good"])[1]
        webhook = hook or "1JE4291016473214C"
        headers = signers.paypal(signer, webhook, text, at_s, url or CERT_BASE + name)
        return {"headers": headers, "body": text}

    right = request()
    vectors.add("valid", right, ok=True, by="paypal[0]", event_type="PAYMENT.SALE.COMPLETED",
                delivery_id="WH-2WR32451HC0233532")  # fmt: skip
    vectors.add("valid, sandbox", request(url=sandbox), ok=True)
    vectors.add("valid, certificate with its chain", request("bundle"), ok=True)
    vectors.add("valid, intermediate sent along", request("intermediate"), ok=True)
    vectors.add("valid, intermediate among the roots", request("known"), ok=True)
    vectors.add("valid, wildcard certificate", request("wildcard"), ok=True)
    vectors.add("valid, UTF-8 body", request(text='{"name":"Zoë"}'), ok=True)
    times(vectors, lambda at_s: request(at_s=at_s))
    for name in (
        "rogue",
        "no-intermediate",
        "other-host",
        "suffix",
        "expired",
        "early",
        "garbage",
        "empty",
    ):
        vectors.add(f"certificate {name}", request(name), ok=False)
    vectors.add("certificate not at hand", request("absent"), ok=False,
                code="certificate_unavailable")  # fmt: skip
    vectors.add("another webhook's", request(hook="0XX00000000000000"), ok=False)
    for url in (
        CERT_BASE.replace("https", "http") + "good",
        CERT_BASE.replace("api.paypal.com", "evil.com") + "good",
        CERT_BASE.replace("api.paypal.com", "api.paypal.com.evil.com") + "good",
        CERT_BASE.replace("api.paypal.com", "evil.com@api.paypal.com") + "good",
        CERT_BASE.replace("api.paypal.com", "api.paypal.com@evil.com") + "good",
        CERT_BASE.replace("api.paypal.com", "api.paypal.com:444") + "good",
        CERT_BASE.replace("api.paypal.com", "API.PAYPAL.COM") + "good",
        CERT_BASE.replace("api.paypal.com", "api.paypal.com.") + "good",
        CERT_BASE.replace("api.paypal.com", "www.paypal.com") + "good",
        CERT_BASE.replace("api.paypal.com", "api.paypal-com") + "good",
        CERT_BASE.replace("api.paypal.com", "apixpaypal.com") + "good",
        CERT_BASE.replace("api.paypal.com", "api.sandboxxpaypal.com") + "good",
        CERT_BASE + "../good", CERT_BASE + "good?x=1", CERT_BASE + "good#x", CERT_BASE + "good\\",
        CERT_BASE + "%67ood", CERT_BASE + "good/", "//api.paypal.com/v1", "file:///etc/passwd", "x",
    ):  # fmt: skip
        vectors.add(f"certificate URL {url}", request(url=url), ok=False, code="invalid_signature")
    signature = "PAYPAL-TRANSMISSION-SIG"
    ways = [["signature", signature, "base64", ""], ["body"], ["id", "PAYPAL-TRANSMISSION-ID"]]
    ways += [
        ["header", f"PAYPAL-{name}", name.lower()]
        for name in ("TRANSMISSION-TIME", "CERT-URL", "AUTH-ALGO")
    ]
    vectors.mutated("valid", *ways, ["api_keys", signature])
    for value in ("SHA1withRSA", "sha256withrsa", "none"):
        case = mutate.with_header(right, "PAYPAL-AUTH-ALGO", lambda _, value=value: value)
        vectors.add(f"auth-algo {value}", case, ok=False)
    for value in (str(NOW_S), "2027-01-15", "2027-13-45T99:99:99Z", "2027-01-15T08:00:00"):
        case = mutate.with_header(right, "PAYPAL-TRANSMISSION-TIME", lambda _, value=value: value)
        vectors.add(f"transmission-time {value}", case, ok=False)
    return vectors
