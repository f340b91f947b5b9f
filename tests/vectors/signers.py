"""Sign as the providers do, with their own SDKs, or with OpenSSL's HMAC; never with dispatchd."""

import base64
import datetime as dt
import hashlib
import json
import zlib
from pathlib import Path

import atlassian_jwt
import jwt
import nacl.signing
import stripe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives import hmac as openssl
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from gidgethub.sansio import validate_event
from slack_sdk.signature import SignatureVerifier
from square.utils.webhooks_helper import verify_signature as square_verify
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator

NOW_S = 1_800_000_000
HASHES = {"sha256": hashes.SHA256, "sha1": hashes.SHA1, "sha512": hashes.SHA512}


def mac(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """Return an HMAC by OpenSSL, not by the standard library's module that dispatchd uses."""
    key = secret.encode() if isinstance(secret, str) else secret
    signer = openssl.HMAC(key, HASHES[algorithm]())
    signer.update(message)
    return signer.finalize()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def plain(header: str, prefix: str = "", encoding: str = "hex"):
    """Return a signer for an HMAC of the body alone."""

    def sign(secret: str, body: str, _at_s: int) -> list:
        digest = mac(secret, body.encode())
        return [[header, prefix + (digest.hex() if encoding == "hex" else b64(digest))]]

    return sign


def github(secret: str, body: str, _at_s: int = NOW_S) -> list:
    value = "sha256=" + mac(secret, body.encode()).hex()
    validate_event(body.encode(), signature=value, secret=secret)  # raises if gidgethub refuses
    return [["X-Hub-Signature-256", value]]


def slack(secret: str, body: str, at_s: int) -> list:
    value = SignatureVerifier(secret).generate_signature(timestamp=str(at_s), body=body)
    return [["X-Slack-Signature", value], ["X-Slack-Request-Timestamp", str(at_s)]]


def zoom(secret: str, body: str, at_s: int) -> list:
    value = "v0=" + mac(secret, f"v0:{at_s}:{body}".encode()).hex()
    return [["x-zm-signature", value], ["x-zm-request-timestamp", str(at_s)]]


def stripe_header(secret: str, body: str, at_s: int) -> list:
    value = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at_s)
    return [["Stripe-Signature", value]]


def standard(prefix: str, msg_id: str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"):
    """Return a signer for Standard Webhooks v1."""

    def sign(secret: str, body: str, at_s: int) -> list:
        moment = dt.datetime.fromtimestamp(at_s, dt.UTC)
        return [
            [f"{prefix}-signature", Webhook(secret).sign(msg_id, moment, body)],
            [f"{prefix}-id", msg_id],
            [f"{prefix}-timestamp", str(at_s)],
        ]

    return sign


def signing_key(seed: str) -> nacl.signing.SigningKey:
    return nacl.signing.SigningKey(hashlib.sha256(seed.encode()).digest())


def standard_v1a(prefix: str, seed: str, body: str, at_s: int, msg_id: str = "msg_a1") -> list:
    signed = signing_key(seed).sign(f"{msg_id}.{at_s}.{body}".encode()).signature
    return [
        [f"{prefix}-signature", f"v1a,{b64(signed)}"],
        [f"{prefix}-id", msg_id],
        [f"{prefix}-timestamp", str(at_s)],
    ]


def whpk(seed: str) -> str:
    return "whpk_" + b64(bytes(signing_key(seed).verify_key))


def discord(seed: str, body: str, at_s: int) -> list:
    signed = signing_key(seed).sign(f"{at_s}{body}".encode()).signature
    return [["X-Signature-Ed25519", signed.hex()], ["X-Signature-Timestamp", str(at_s)]]


def square(url: str):
    def sign(secret: str, body: str, _at_s: int) -> list:
        value = b64(mac(secret, url.encode() + body.encode()))
        right = square_verify(
            request_body=body, signature_header=value, signature_key=secret, notification_url=url
        )
        if not right:
            raise RuntimeError("Square's SDK refuses our signature")
        return [["x-square-hmacsha256-signature", value]]

    return sign


class _Params(dict):
    """A multi-dict as Twilio's SDK reads Flask's."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def twilio(token: str, url: str, pairs: list[tuple[str, str]], algorithm: str = "HMAC_SHA1") -> str:
    params = _Params()
    for name, value in pairs:
        params.setdefault(name, []).append(value)
    return RequestValidator(token).compute_signature(url, params, algorithm)


def jira_jwt(secret: str, claims: dict, algorithm: str = "HS256", headers: dict | None = None):
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


def token(claims: dict, key: object, algorithm: str, headers: dict | None = None) -> str:
    return jwt.encode(claims, key, algorithm, headers)


def rsa_jwk(name: str) -> dict:
    """Return the public half of one of our keys as a JWK."""
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key(name).public_key()))


def qsh(method: str, path_and_query: str) -> str:
    return atlassian_jwt.url_utils.hash_url(method, path_and_query)


class PayPalAuthority:
    """A root or an intermediate, and the leaves that it signed."""

    def __init__(self, name: str, parent: "PayPalAuthority | None" = None) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = parent or self
        self.certificate = (
            issuer._builder(self.name, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, key, years: tuple[int, int] = (2024, 2044)):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dt.datetime(years[0], 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(years[1], 1, 1, tzinfo=dt.UTC))
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )

    def leaf(self, host: str, years: tuple[int, int] = (2026, 2029)):
        """Return a leaf for a host: its PEM and its private key."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            self._builder(subject, key, years)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return pem(certificate), key


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def paypal(key, webhook_id: str, body: str, at_s: int, url: str) -> list:
    moment = dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    transmission = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
    message = f"{transmission}|{moment}|{webhook_id}|{zlib.crc32(body.encode())}"
    signature = key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return [
        ["PAYPAL-TRANSMISSION-SIG", b64(signature)],
        ["PAYPAL-TRANSMISSION-ID", transmission],
        ["PAYPAL-TRANSMISSION-TIME", moment],
        ["PAYPAL-CERT-URL", url],
        ["PAYPAL-AUTH-ALGO", "SHA256withRSA"],
    ]


def private_key(name: str) -> rsa.RSAPrivateKey:
    """Return one of the RSA keys beside this file, which sign nothing but vectors."""
    data = (Path(__file__).parent / f"{name}.pem").read_bytes()
    key = serialization.load_pem_private_key(data, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def public_pem(name: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private_key(name).public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def sns_certificate(name: str, years: tuple[int, int] = (2026, 2029)) -> str:
    """Return a certificate as SNS shows it: a leaf alone; the same at each run."""
    key = private_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(dt.datetime(years[0], 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime(years[1], 1, 1, tzinfo=dt.UTC))
    return pem(builder.sign(key, hashes.SHA256()))


def sns(name: str, fields: dict) -> str:
    """Sign a message: its fields in alphabetical order, without those about the signature."""
    about = {"Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL"}
    text = "".join(f"{k}\n{fields[k]}\n" for k in sorted(fields.keys() - about))
    chosen = hashes.SHA256() if fields.get("SignatureVersion") == "2" else hashes.SHA1()
    return b64(private_key(name).sign(text.encode(), padding.PKCS1v15(), chosen))
