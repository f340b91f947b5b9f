"""Certificates for tests, made on the spot, and servers that show them."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Files:
    ca: str
    cert: str
    key: str


def make_files(folder: Path, *names: str, days: float = 1) -> Files:
    """Make an authority and a certificate for `names` and 127.0.0.1, good for `days`."""
    now = dt.datetime.now(dt.UTC)

    def certificate(name: str, by: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = by or (subject, key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=100))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        *(x509.DNSName(dns) for dns in names),
                        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                    ]
                ),
                critical=False,
            )
        )
        return builder.sign(signer, hashes.SHA256()), key, subject

    authority, authority_key, issuer = certificate("authority", None)
    leaf, leaf_key, _ = certificate("leaf", (issuer, authority_key))
    pem = serialization.Encoding.PEM
    written = {
        "ca.pem": authority.public_bytes(pem),
        "cert.pem": leaf.public_bytes(pem),
        "key.pem": leaf_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    folder.mkdir(exist_ok=True)
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return Files(*(str(folder / name) for name in written))


def tls_server(files: Files, *, client_ca: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context
