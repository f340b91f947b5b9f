"""What a provider is: a row of data; code only where `coded` names a module."""

from typing import Final

from dispatchd.frozen import frozen
from dispatchd.verify import handshake as shake
from dispatchd.verify.jwt_spec import JwtSpec
from dispatchd.verify.places import Place
from dispatchd.verify.scheme import ANY_USER, Listed, Scheme

HUB_256: Final = "X-Hub-Signature-256"


@frozen
class Provider:
    """One provider.

    `coded` schemes come after the tabled ones. `needs` are the config keys of which at least
    one must be given, `also` those that must all be; `forms` says that it may send forms, so
    that `body: form` is implied; `every` that each signature present must be right, not only
    the strongest; `remembers` that its signature covers its delivery id and not the body, so
    that each id must be remembered; `jwt` how its tokens prove it, which the endpoint's own `jwt`
    completes.
    """

    schemes: tuple[Scheme, ...] = ()
    coded: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset({"secret"})
    also: frozenset[str] = frozenset()
    event_type: Place | None = None
    delivery_id: Place | None = None
    handshake: shake.Handshake | None = None
    forms: bool = False
    every: bool = False
    remembers: bool = False
    jwt: JwtSpec | None = None


def authorization(name: str, prefix: str = "") -> Scheme:
    """Return the scheme of a sender that is told what to send as its Authorization."""
    return Scheme(name, header="Authorization", encoding="plain", prefix=prefix, key="plain")


def basic(name: str) -> Scheme:
    """Return HTTP Basic with the secret as its password and any user."""
    return Scheme(name, header="Authorization", encoding="plain", user=ANY_USER, key="plain")


def tokens(name: str) -> tuple[Scheme, ...]:
    """Return the schemes of senders that cannot sign: what can be told them to send along.

    A bearer token, HTTP Basic, or `?token=` in the URL where there are no headers to set.
    """
    return (
        authorization(name, "Bearer "),
        basic(name),
        Scheme(name, query="token", encoding="plain", key="plain"),
    )


def standard(prefix: str, name: str, key: str = "whsec") -> tuple[Scheme, Scheme]:
    """Return Standard Webhooks under a header prefix: ed25519 (v1a) first, then HMAC (v1)."""
    template = f"{{header.{prefix}-id}}.{{timestamp}}.{{body}}"
    signature, timestamp = f"{prefix}-signature", f"{prefix}-timestamp"
    return (
        Scheme(
            f"{name}-v1a",
            header=signature,
            algorithm="ed25519",
            encoding="base64",
            timestamp_header=timestamp,
            template=template,
            listed=Listed(" ", ",", "v1a"),
            key="public",
        ),
        Scheme(
            name,
            header=signature,
            encoding="base64",
            timestamp_header=timestamp,
            template=template,
            listed=Listed(" ", ",", "v1"),
            key=key,
        ),
    )
