"""How long certificates are good for."""

import time
from pathlib import Path
from typing import Final

from cryptography import x509

from dispatchd.doctor.finding import Finding, act, note, ok
from dispatchd.frozen import frozen

DAY_S: Final = 86_400
RENEW_DAYS: Final = 14  # what renews by itself has done so by then (ACME: at 30 of 90)
SOON_DAYS: Final = 21


@frozen
class Certificate:
    """When a certificate ends (Unix s), and whose it is."""

    ends_s: float
    whose: str

    @property
    def days(self) -> int:
        """Whole days that are left; negative when it has ended."""
        return int((self.ends_s - time.time()) // DAY_S)

    def words(self) -> str:
        """Say until when it is good."""
        until = time.strftime("%Y-%m-%d", time.gmtime(self.ends_s))
        if self.ends_s < time.time():
            return f"{self.whose} ended on {until}"
        left = "a day" if self.days == 1 else f"{self.days} days" if self.days else "hours"
        return f"{self.whose} is good until {until}, {left} from now"


def from_der(der: bytes, whose: str) -> Certificate | None:
    """Read one as TLS shows it; None where it cannot be read."""
    try:
        return Certificate(
            x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp(), whose
        )
    except ValueError:
        return None


def first_to_end(file: str, whose: str) -> Certificate | None:
    """Return the one of a PEM file that ends first; None where none can be read."""
    try:
        found = x509.load_pem_x509_certificates(Path(file).read_bytes())
    except (OSError, ValueError):
        return None
    ends = [one.not_valid_after_utc.timestamp() for one in found]
    return Certificate(min(ends), whose) if ends else None


def judge(name: str, reached: str, certificates: list[Certificate]) -> Finding:
    """Judge a destination that was reached by the certificate that ends first."""
    if not certificates:
        return ok("destination", reached, name=name)
    first = min(certificates, key=lambda one: one.ends_s)
    said = f"{reached}; {first.words()}"
    if first.days < RENEW_DAYS:
        return act(
            "destination", said, "renew it", name=name, figures={"certificate_days": first.days}
        )
    if first.days < SOON_DAYS:
        return note("destination", said, name=name, figures={"certificate_days": first.days})
    return ok("destination", said, name=name, figures={"certificate_days": first.days})
