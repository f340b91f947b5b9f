"""Values that fill in the configs which `dispatchd try` prints."""

from dispatchd.hints import HINTS
from dispatchd.hints.telling import variable
from dispatchd.verify.providers import ALIASES

WHSEC = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
ECDSA = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXNTOzEJInpjtP/cUmAUfeA82SG1NRNhn2ZgYV4Tn2lfu9xpA1qat"
    "ET1Hu/MRC/EYXDrkYzF6sAZzBDq8vNQFSw=="
)
SAMPLES = {
    "standard-webhooks": WHSEC,
    "adyen": "ab" * 32,
    "discord": "ab" * 32,
    "sendgrid": ECDSA,
    "aws-sns": "arn:aws:sns:us-east-1:123456789012:orders",
}


def environ(name: str) -> dict[str, str]:
    """Return the variables that the config of one sender reads."""
    value = SAMPLES.get(ALIASES.get(name, name), "a-secret-of-thirty-two-characters")
    return {variable(name, key.name): value for key in HINTS[name].keys}
