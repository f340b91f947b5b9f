"""How an endpoint's tokens prove their sender, as the config or a provider's row says it."""

import dataclasses
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final
from urllib.parse import urlsplit

from dispatchd.frozen import frozen
from dispatchd.verify import jwt_keys
from dispatchd.verify.jwt_keys import JwtKey

ENCODINGS: Final = ("hex", "base64", "base64url")
AUTHORIZATION: Final = "Authorization"
URL_MAX_CHARS: Final = 2048

Claim = str | int | bool


@frozen
class BodyHash:
    """The claim that holds the SHA-256 of the body, and how that is spelled."""

    claim: str
    encoding: str = "hex"


@frozen
class JwtSpec:
    """What is asked of a token; what is empty is not asked for.

    `must_name` are claims whose value the config has to give. `for_url` says that a token whose
    audience is not configured is for the endpoint's public URL.
    """

    header: str = ""
    jwks: str = ""
    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict)
    body_hash: BodyHash | None = None
    must_name: tuple[str, ...] = ()
    for_url: bool = False


def merged(row: JwtSpec | None, own: JwtSpec | None, url: str) -> JwtSpec | None:
    """Return what a provider's row says with what the endpoint says itself laid over it."""
    if row is None:
        return own
    spec = row
    if own is not None:
        said = {f.name: getattr(own, f.name) for f in dataclasses.fields(own)}
        said = {name: value for name, value in said.items() if value}
        spec = dataclasses.replace(row, **said | {"claims": {**row.claims, **own.claims}})
    if spec.for_url and not spec.audiences and url:
        spec = dataclasses.replace(spec, audiences=(url,))
    return spec


def jwt_keys_of(
    spec: JwtSpec, secrets: Sequence[bytes], public_keys: Sequence[str]
) -> list[tuple[int, JwtKey]]:
    """Return the configured keys, each with its number in the config. Raises ValueError."""
    keys = [(i, jwt_keys.secret_key(secret)) for i, secret in enumerate(secrets)]
    keys += [(i, jwt_keys.pem_key(text)) for i, text in enumerate(public_keys)]
    if not spec.algorithms:
        return keys
    return [(i, key) for i, key in keys if key.algorithms & set(spec.algorithms)]


def jwt_problems(spec: JwtSpec, secrets: Sequence[bytes], public_keys: Sequence[str]) -> list[str]:
    """Say what keeps tokens from being checked, or from proving anything, each in a sentence."""
    found = _algorithm_problems(spec, secrets=bool(secrets), public=bool(public_keys or spec.jwks))
    if spec.jwks and (problem := jwks_url_problem(spec.jwks)) is not None:
        found.append(problem)
    if spec.jwks and (secrets or public_keys):
        given = "secret" if secrets else "public_key"
        found.append(f"jwt takes its keys from its jwks; remove jwks, or the {given}")
    if not spec.jwks and not secrets and not public_keys:
        found.append("jwt has no key; give it a jwks, or the endpoint a public_key or a secret")
    # Whose public key signs, signs for others too: only the audience says for whom.
    if (spec.jwks or public_keys) and not spec.audiences and spec.body_hash is None:
        found.append(
            "jwt needs audience, or a token that was made for somebody else is taken;"
            " write what stands in the token's aud"
        )
    found += [
        f"jwt.claims needs {name}, or anybody's token of this issuer is taken;"
        f" write whose {name} signs"
        for name in spec.must_name
        if name not in spec.claims
    ]
    try:
        keys = jwt_keys_of(spec, secrets, public_keys)
    except ValueError as error:
        return [*found, str(error)]
    if not found and not spec.jwks and not keys:
        found.append("no key fits jwt.algorithms; remove algorithms, and each key's own are taken")
    return found


def _algorithm_problems(spec: JwtSpec, *, secrets: bool, public: bool) -> list[str]:
    found = []
    for name in spec.algorithms:
        if name.lower() == "none":
            found.append("jwt.algorithms holds none, which proves nothing; remove it")
        elif name not in jwt_keys.ALGORITHMS:
            known = ", ".join(jwt_keys.ALGORITHMS)
            found.append(f'jwt.algorithms holds an unknown algorithm "{name}"; known are {known}')
        elif name in jwt_keys.HMAC and public and not secrets:
            found.append(f"{name} needs a secret, and a public key is none; remove it")
        elif name in jwt_keys.PUBLIC and secrets and not public:
            found.append(f"{name} needs a jwks or a public_key, and there is a secret; remove it")
    return found


def jwks_url_problem(url: str) -> str | None:
    """Say what is wrong with the URL of a key set; None where nothing is."""
    hint = "write https://…, or http:// to this machine"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return f"jwks is not a URL; {hint}"
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_MAX_CHARS:
        return f"jwks is not a URL; {hint}"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "jwks holds a password or a fragment; a key set is public"
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host))):
        return f"jwks could be answered by anybody on the way; {hint}"
    return None


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def same_claim(wanted: Claim, claimed: Any) -> bool:
    """Whether a claim holds what is wanted: exactly that, or a list with it in it.

    A number also as text: issuers spell their ids so, and YAML does not.
    """
    if isinstance(claimed, list):
        return any(same_claim(wanted, one) for one in claimed if not isinstance(one, list))
    if isinstance(wanted, bool) or isinstance(claimed, bool):
        return wanted is claimed
    if isinstance(wanted, int) and isinstance(claimed, str):
        return str(wanted) == claimed
    return type(wanted) is type(claimed) and wanted == claimed
