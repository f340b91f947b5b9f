"""The cases of the providers that prove themselves by a JSON Web Token, signed by PyJWT."""

import base64
import hashlib
import json

import signers
from recipe import NEW, OLD, WRONG, Vectors, times
from signers import NOW_S

JSON = [["Content-Type", "application/json"]]
GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
LONG = 3  # HS256 wants 32 bytes; PyJWT warns below that


def raw(head: dict, claims: object, secret: str) -> str:
    """Sign what PyJWT itself would refuse to encode, with OpenSSL's HMAC-SHA256."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (head, claims)]
    message = b".".join(part.rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(signers.mac(secret, message)).rstrip(b"=")
    return f"{message.decode()}.{signature.decode()}"


def key_set(*named: tuple[str, str]) -> str:
    """Return a JWK set with junk beside the keys, as PyJWT spells them."""
    keys: list[object] = [5, {}, {"kty": "oct", "kid": "shared", "k": "AAAA"}, {"kty": "RSA"}]
    for kid, name in named:
        jwk = signers.rsa_jwk(name)
        keys.append({"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "kid": kid, "use": "sig"})
        keys.append({"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "kid": "locked", "use": "enc"})
    return json.dumps({"keys": keys})


def google_pubsub() -> Vectors:
    audience, email = (
        "https://hooks.example.com/hooks/pubsub",
        "push@project.iam.gserviceaccount.com",
    )
    auth = {"secrets": [], "url": audience, "jwt": {"claims": {"email": email}}}
    vectors = Vectors("google-pubsub", "PyJWT", auth)
    vectors.document["certificates"] = {GOOGLE_KEYS: key_set(("k1", "signer"), ("k2", "older"))}
    body = (
        '{"message":{"attributes":{"eventType":"OBJECT_FINALIZE"},"data":"e30=",'
        '"messageId":"2070443601311540"},"subscription":"projects/p/subscriptions/s"}'
    )
    right = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "sub": "113",
        "email": email,
        "email_verified": True,
        "iat": NOW_S - 10,
        "exp": NOW_S + 3590,
    }

    def sent(token: str) -> dict:
        return {"headers": [["Authorization", f"Bearer {token}"], *JSON], "body": body}

    def made(
        key: str = "signer", kid: str | None = "k1", algorithm: str = "RS256", **changed
    ) -> dict:
        claims = {k: v for k, v in (right | changed).items() if v is not None}
        headers = {} if kid is None else {"kid": kid}
        return sent(signers.token(claims, signers.private_key(key), algorithm, headers))

    by = "google-pubsub[jwks]"
    vectors.add("valid", made(), ok=True, by=by, event_type="OBJECT_FINALIZE",
                delivery_id="2070443601311540")  # fmt: skip
    vectors.add("valid, the older key of a rotation", made("older", "k2"), ok=True, by=by)
    vectors.add("valid, without a kid", made(kid=None), ok=True, by=by)
    vectors.add("valid, an audience among others", made(aud=["x", audience]), ok=True)
    vectors.add("valid, the issuer without its scheme", made(iss="accounts.google.com"), ok=True)
    vectors.add("valid, an audience of one's own", made(aud="mine"), ok=True,
                auth={"jwt": {"audiences": ["mine"], "claims": {"email": email}}})  # fmt: skip
    vectors.mutated("valid", ["signature", "Authorization", "", "Bearer "],
                    ["api_keys", "Authorization"])  # fmt: skip
    times(vectors, lambda at_s: made(iat=at_s, exp=at_s))
    wrong = {
        "signed by a stranger": made("stranger"),
        "signed by a stranger under no kid": made("stranger", None),
        "kid of the other key": made(kid="k2"),
        "kid not known": made(kid="k3"),
        "kid of a key for encryption": made(kid="locked"),
        "kid of a shared key": made(kid="shared"),
        "kid a path": made(kid="../../etc/passwd"),
        "kid SQL": made(kid="' OR 1=1 --"),
        "another algorithm": made(algorithm="RS384"),
        "a longer hash": made(algorithm="RS512"),
        "another audience": made(aud="https://evil.example.com/"),
        "audience with a slash more": made(aud=audience + "/"),
        "audience empty": made(aud=[]),
        "audience missing": made(aud=None),
        "another issuer": made(iss="https://accounts.google.com.evil.example"),
        "issuer missing": made(iss=None),
        "another account": made(email="push@evil.iam.gserviceaccount.com"),
        "account missing": made(email=None),
        "account not verified": made(email_verified=False),
        "account verified in words": made(email_verified="true"),
        "not yet valid": made(nbf=NOW_S + 301),
        "never expires": made(exp=None),
    }
    for name, request in wrong.items():
        vectors.add(f"token: {name}", request, ok=False)
    public = signers.public_pem("signer")
    for name, token in {
        "HS256 with the public key as its secret": raw(
            {"alg": "HS256", "kid": "k1"}, right, public
        ),
        "HS256 with the public key, no kid": raw({"alg": "HS256"}, right, public),
        "none": raw({"alg": "none"}, right, NEW).rpartition(".")[0] + ".",
        "none, signed": raw({"alg": "none"}, right, NEW),
        "nOnE": raw({"alg": "nOnE"}, right, NEW),
        "algorithm a list": raw({"alg": ["RS256"]}, right, NEW),
        "algorithm missing": raw({}, right, NEW),
        "kid a number": raw({"alg": "RS256", "kid": 5}, right, NEW),
        "header a list": raw([], right, NEW),
    }.items():
        vectors.add(f"token: {name}", sent(token), ok=False, code="invalid_signature")
    crit = signers.token(
        right, signers.private_key("signer"), "RS256", {"kid": "k1", "crit": ["x"]}
    )
    vectors.add("token: critical header", sent(crit), ok=False)
    own = {"jwk": signers.rsa_jwk("stranger"), "jku": "https://evil.example/keys"}
    brought = signers.token(right, signers.private_key("stranger"), "RS256", {"kid": "k1"} | own)
    vectors.add("token: brings its own key", sent(brought), ok=False)
    return vectors


def _bound(
    provider: str,
    *,
    header: str,
    claim: str,
    spell,
    more: dict,
    extra: list,
    expect: dict,
    body: str,
) -> Vectors:
    """Return the cases of a token that holds a hash of the body, by a shared secret."""
    vectors = Vectors(provider, "PyJWT", {"secrets": [NEW * LONG, OLD * LONG]})
    text = body

    def token(secret: str, signed: str = text, **changed) -> str:
        claims = {claim: spell(hashlib.sha256(signed.encode()).digest())} | more | changed
        claims = {k: v for k, v in claims.items() if v is not None}
        return signers.token(claims, secret * LONG, "HS256")

    def request(sent: object, body: str = text) -> dict:
        return {"headers": [[header, sent], *extra, *JSON], "body": body}

    vectors.add("valid", request(token(NEW)), ok=True, by=f"{provider}[0]", **expect)
    vectors.add("valid, the older secret of a rotation", request(token(OLD)), ok=True,
                by=f"{provider}[1]")  # fmt: skip
    unicode = body[:-1] + ',"name":"Zoë 東京 🎉"}'
    vectors.add("valid, UTF-8 in the body", request(token(NEW, unicode), unicode), ok=True)
    vectors.mutated("valid", ["spelling", header, "", ""], ["signature", header, "", ""], ["body"],
                    ["api_keys", header])  # fmt: skip
    right = {claim: spell(hashlib.sha256(body.encode()).digest())} | more
    for name, made in {
        "signed with a secret that is gone": token(WRONG),
        "hash of another body": token(NEW, "{}"),
        "hash missing": token(NEW, **{claim: None}),
        "hash empty": token(NEW, **{claim: ""}),
        "hash a number": raw({"alg": "HS256"}, right | {claim: 5}, NEW * LONG),
        "hash not ASCII": raw({"alg": "HS256"}, right | {claim: "é"}, NEW * LONG),
        "none": raw({"alg": "none"}, right, NEW * LONG),
        "claims a list": raw({"alg": "HS256"}, [], NEW * LONG),
        "expired": token(NEW, exp=NOW_S - 301),
        "from the future": token(NEW, iat=NOW_S + 301),
        "exp a word": raw({"alg": "HS256"}, right | {"exp": "soon"}, NEW * LONG),
    }.items():
        vectors.add(f"token: {name}", request(made), ok=False)
    return vectors


def fusionauth() -> Vectors:
    vectors = _bound(
        "fusionauth",
        header="X-FusionAuth-Signature-JWT",
        claim="request_body_sha256",
        spell=signers.b64,
        more={},
        extra=[],
        expect={"event_type": "user.create", "delivery_id": "e502168a-b469-45d9-a079-fd45f83e0406"},
        body='{"event":{"id":"e502168a-b469-45d9-a079-fd45f83e0406","type":"user.create","user":{}}}',
    )
    body = str(vectors.document["cases"][0]["request"]["body"])

    def request(key: object, algorithm: str, at_s: int = NOW_S) -> dict:
        digest = signers.b64(hashlib.sha256(body.encode()).digest())
        claims = {"request_body_sha256": digest, "iat": at_s, "exp": at_s}
        token = signers.token(claims, key, algorithm, {"kid": "k"})
        return {"headers": [["X-FusionAuth-Signature-JWT", token], *JSON], "body": body}

    times(vectors, lambda at_s: request(NEW * LONG, "HS256", at_s))
    public = {"secrets": [], "public_keys": [signers.public_pem("signer")]}
    keyed = {"auth": public}
    signer, stranger = signers.private_key("signer"), signers.private_key("stranger")
    vectors.add("RSA key: valid", request(signer, "RS256"), ok=True, by="fusionauth[0]", **keyed)
    vectors.add("RSA key: RS512", request(signer, "RS512"), ok=True, **keyed)
    vectors.add("RSA key: a stranger's", request(stranger, "RS256"), ok=False, **keyed)
    digest = signers.b64(hashlib.sha256(body.encode()).digest())
    forged = raw({"alg": "HS256"}, {"request_body_sha256": digest}, signers.public_pem("signer"))
    header = [["X-FusionAuth-Signature-JWT", forged], *JSON]
    vectors.add("RSA key: as the secret of HS256", {"headers": header, "body": body}, ok=False,
                **keyed)  # fmt: skip
    return vectors


def netlify() -> Vectors:
    vectors = _bound(
        "netlify",
        header="X-Webhook-Signature",
        claim="sha256",
        spell=bytes.hex,
        more={"iss": "netlify"},
        extra=[["X-Netlify-Event", "deploy_created"]],
        expect={"event_type": "deploy_created"},
        body='{"id":"5f3c","state":"ready","name":"site"}',
    )
    body = str(vectors.document["cases"][0]["request"]["body"])
    digest = hashlib.sha256(body.encode()).hexdigest()
    for name, claims, algorithm in (
        ("another issuer", {"iss": "evil", "sha256": digest}, "HS256"),
        ("no issuer", {"sha256": digest}, "HS256"),
        ("HS512", {"iss": "netlify", "sha256": digest}, "HS512"),
    ):
        token = signers.token(claims, NEW * 6, algorithm)
        request = {"headers": [["X-Webhook-Signature", token]], "body": body}
        vectors.add(f"token: {name}", request, ok=False, auth={"secrets": [NEW * 6]})
    return vectors
