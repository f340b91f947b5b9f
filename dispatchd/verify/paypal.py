"""PayPal, verified offline: RSA-SHA256 by a certificate whose URL, chain and name are checked.

Source: PayPal's "Webhooks integration". The certificate's URL comes with the request, so an
attacker chooses it: only PayPal's own hosts and its one path are ever asked for. The fetching
and the trusted roots are handed in. `cryptography` is imported on first use: it costs memory.
"""

import re
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dispatchd.verify import decode
from dispatchd.verify.certified import signed_by, unix_s
from dispatchd.verify.inbound import Genuine, Headers, Inbound, Rejected, one_header
from dispatchd.verify.pinned import CERTIFICATE, Pinned, PinnedSource
from dispatchd.verify.scheme import stale

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SIGNATURE: Final = "PayPal-Transmission-Sig"
_ID: Final = "PayPal-Transmission-Id"
_TIME: Final = "PayPal-Transmission-Time"
_CERT_URL: Final = "PayPal-Cert-Url"
_ALGORITHM: Final = "PayPal-Auth-Algo"
_PINNED_URL: Final = re.compile(
    r"https://api(?:\.sandbox)?\.paypal\.com/v1/notifications/certs/CERT-[0-9A-Za-z-]{1,100}",
    re.ASCII,
)
_SIGNER: Final = ".paypal.com"
_MAX_CERTIFICATES: Final = 8  # in one bundle
_MAX_KEYS: Final = 8  # remembered; PayPal signs with one or two at a time
_RECHECK_S: Final = 3600  # a chain that held is not checked again within the hour


def _certificate_url(headers: Headers) -> str | None:
    """Return the certificate URL of a request if it is one of PayPal's; None otherwise."""
    try:
        url = one_header(headers, _CERT_URL)
    except ValueError:
        return None
    return url if url and _PINNED_URL.fullmatch(url) else None


class PayPalCheck:
    """PayPal's scheme, compiled with the webhook's ID."""

    paths: tuple[str, ...] = ()

    def __init__(self, webhook_id: str, tolerance_s: float, certificates: PinnedSource) -> None:
        self._webhook_id = webhook_id
        self._tolerance_s = tolerance_s
        self._certificates = certificates
        self._known: dict[tuple[bytes, int], RSAPublicKey] = {}

    def pinned(self, sender: Inbound) -> Pinned | None:
        """Return the certificate, if its URL is one of PayPal's."""
        url = _certificate_url(sender.headers)
        return None if url is None else Pinned(url, CERTIFICATE)

    def check(self, sender: Inbound) -> Genuine | Rejected | None:
        """Judge the request; None when it carries no PayPal signature."""
        if not sender.headers.getall(SIGNATURE, []):
            return None
        try:
            return self._check(sender)
        except ValueError as error:
            return Rejected("invalid_signature", str(error))

    def _check(self, sender: Inbound) -> Genuine | Rejected:
        signature = decode.base64_bytes(_need(sender.headers, SIGNATURE))
        transmission, sent = _need(sender.headers, _ID), _need(sender.headers, _TIME)
        if _need(sender.headers, _ALGORITHM) != "SHA256withRSA":
            raise ValueError(f"{_ALGORITHM} is not SHA256withRSA")
        url = _certificate_url(sender.headers)
        if url is None:
            raise ValueError(f"{_CERT_URL} is not one of PayPal's")
        age_s = sender.now_s - unix_s(_TIME, sent)
        bundle = self._certificates.get(url)
        if bundle is None:
            return Rejected("certificate_unavailable", "PayPal's certificate cannot be had")
        key = self._public_key(bundle, sender.now_s)
        message = f"{transmission}|{sent}|{self._webhook_id}|{zlib.crc32(sender.body)}"
        if not signed_by(key, message.encode("ascii"), signature):
            return Rejected("invalid_signature", f"{SIGNATURE} does not match the request")
        if abs(age_s) > self._tolerance_s:
            return stale(age_s, self._tolerance_s)
        return Genuine("paypal[0]")

    def _public_key(self, bundle: bytes, now_s: float) -> "RSAPublicKey":
        known = (bundle, int(now_s // _RECHECK_S))
        key = self._known.get(known)
        if key is None:
            key = _trusted_key(bundle, self._certificates.roots(), now_s)
            if len(self._known) >= _MAX_KEYS:
                self._known.clear()
            self._known[known] = key
        return key


def _need(headers: Headers, name: str) -> str:
    value = one_header(headers, name)
    if not value:
        raise ValueError(f"{name} is missing")
    return value


def _trusted_key(bundle: bytes, roots: bytes, now_s: float) -> "RSAPublicKey":
    """Return the leaf's key once its chain, validity and name hold; ValueError otherwise."""
    from cryptography import x509  # noqa: PLC0415 - memory, see above
    from cryptography.hazmat.primitives.asymmetric.rsa import (  # noqa: PLC0415 - likewise
        RSAPublicKey,
    )
    from cryptography.x509 import verification  # noqa: PLC0415 - likewise

    chain = x509.load_pem_x509_certificates(bundle)
    if len(chain) > _MAX_CERTIFICATES:
        raise ValueError("PayPal's certificate comes in too long a chain")
    leaf, key = chain[0], chain[0].public_key()
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate names no host") from None
    hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    hosts = [host.replace("*.", "any.", 1) for host in hosts if host.endswith(_SIGNER)]
    if not hosts or not isinstance(key, RSAPublicKey):
        raise ValueError("the certificate is not PayPal's")
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store(x509.load_pem_x509_certificates(roots)))
        .time(datetime.fromtimestamp(now_s, UTC))
    )
    try:
        policy.build_server_verifier(x509.DNSName(hosts[0])).verify(leaf, chain[1:])
    except verification.VerificationError:
        raise ValueError("the certificate's chain does not hold") from None
    return key
