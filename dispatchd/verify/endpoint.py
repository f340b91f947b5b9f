"""One endpoint's way of telling the genuine from the rest: compiled once, asked often."""

from collections.abc import Collection, Sequence
from dataclasses import field, replace
from typing import Any, Final

from dispatchd.frozen import frozen
from dispatchd.verify.api_key import verify_api_key
from dispatchd.verify.atlassian import AtlassianCheck
from dispatchd.verify.greetings import Greeting, HandshakeSpec, handshake_of
from dispatchd.verify.handshake import Shared, first_of
from dispatchd.verify.inbound import (
    Answer,
    ApiKey,
    Check,
    Genuine,
    Headers,
    Inbound,
    Rejected,
)
from dispatchd.verify.jwt_check import JwtCheck
from dispatchd.verify.jwt_spec import (
    AUTHORIZATION,
    JwtSpec,
    jwt_keys_of,
    jwt_problems,
    merged,
)
from dispatchd.verify.paypal import SIGNATURE as PAYPAL_SIGNATURE
from dispatchd.verify.paypal import PayPalCheck
from dispatchd.verify.pinned import Pinned, PinnedCheck, PinnedSource
from dispatchd.verify.places import header
from dispatchd.verify.provider import Provider
from dispatchd.verify.providers import (
    ALIASES,
    COMMON_DELIVERY_ID,
    provider_named,
    provider_names,
)
from dispatchd.verify.scheme import (
    Scheme,
    SignatureSpec,
    scheme_keys,
    scheme_of,
    spec_problems,
)
from dispatchd.verify.scheme_check import SchemeCheck
from dispatchd.verify.secret_headers import is_secret_header
from dispatchd.verify.sns import SnsCheck, topic_problem
from dispatchd.verify.template import compile_template, public_url_problem, uses
from dispatchd.verify.twilio import HEADER as TWILIO_SIGNATURE
from dispatchd.verify.twilio import TwilioCheck

DEFAULT_TOLERANCE_S: Final = 300.0
DELIVERY_ID_MAX_CHARS: Final = 255  # longer is a payload, not an id


@frozen
class Auth:
    """How an endpoint's senders prove themselves, as the config says it.

    `url` is the public URL without a query: the endpoint's own `url`, else built from
    `server.public_url`. `open_to_all` is the explicit `auth: none`.
    """

    provider: str = "generic"
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    public_keys: tuple[str, ...] = ()
    tolerance_s: float = DEFAULT_TOLERANCE_S
    verify_token: bytes = field(default=b"", repr=False)
    webhook_id: str = ""
    url: str = ""
    topics: tuple[str, ...] = ()
    signature: SignatureSpec | None = None
    jwt: JwtSpec | None = None
    api_keys: tuple[ApiKey, ...] = ()
    open_to_all: bool = False
    handshakes: tuple[HandshakeSpec, ...] = ()  # beside its provider's
    event_type_header: str = ""
    delivery_id_header: str = ""
    forms: bool = False  # the endpoint reads forms as such, whatever its provider sends


def problems(auth: Auth, *, what_is_missing: bool = True) -> tuple[str, ...]:
    """Say everything that keeps `auth` from being used, a clear sentence each.

    Without `what_is_missing`, only what is wrong with what is there; of a provider that is
    unknown there is nothing to say then.
    """
    provider = provider_named(auth.provider)
    if provider is None:
        if not what_is_missing:
            return ()
        return (f"provider {auth.provider!r} is unknown; known are {', '.join(provider_names())}",)
    found = _spec_problems(auth) if auth.signature else []
    if what_is_missing and not (auth.signature or auth.jwt or auth.open_to_all):
        found += missing_keys(auth.provider, _named(auth))
    if auth.signature and auth.jwt:
        found.append("signature and jwt are two proofs; keep one of them")
    elif not auth.open_to_all and (auth.jwt or provider.needs & _named(auth)):
        spec = jwt_spec(auth, provider)
        found += [] if spec is None else jwt_problems(spec, auth.secrets, auth.public_keys)
    found += _signed_away(auth, provider)
    found += _unused(auth, provider)
    found += _unfit_keys(auth, schemes_of(auth, provider))
    if auth.url and (problem := public_url_problem(auth.url)) is not None:
        found.append(problem)
    found += filter(None, (topic_problem(topic) for topic in auth.topics))
    if auth.tolerance_s <= 0:
        found.append("tolerance must be more than nothing")
    return tuple(dict.fromkeys(found))


def schemes_of(auth: Auth, provider: Provider) -> tuple[Scheme, ...]:
    """Return the schemes that an endpoint checks by table, strongest first."""
    if auth.jwt is not None:
        return ()
    schemes = provider.schemes
    if auth.signature is not None:
        schemes = () if spec_problems(auth.signature) else (scheme_of(auth.signature),)
    if any(isinstance(asked, Greeting) and asked.sign for asked in auth.handshakes):
        # What a handshake signs is never an object: it cannot be sent back as an event.
        schemes = tuple(replace(scheme, object_only=True) for scheme in schemes)
    return schemes


def jwt_spec(auth: Auth, provider: Provider) -> JwtSpec | None:
    """Return what is asked of an endpoint's tokens; None where no token proves its senders."""
    return None if auth.signature is not None else merged(provider.jwt, auth.jwt, auth.url)


def _given(auth: Auth) -> dict[str, bool]:
    return {
        "secret": bool(auth.secrets),
        "public_key": bool(auth.public_keys),
        "verify_token": bool(auth.verify_token),
        "webhook_id": bool(auth.webhook_id),
        "url": bool(auth.url),
        "topic": bool(auth.topics),
        "jwt": auth.jwt is not None,
    }


def _named(auth: Auth) -> set[str]:
    return {key for key, given in _given(auth).items() if given}


def missing_keys(name: str, given: Collection[str]) -> list[str]:
    """Say which keys of the config a provider needs beside those given, a sentence each."""
    provider, sentences = provider_named(name), []
    if provider is None:
        return []
    if provider.needs and not provider.needs & set(given):
        words = " or ".join(sorted(provider.needs, reverse=True))
        sentences.append(f"provider {name} needs {words}")
    for key in sorted(provider.also - set(given)):
        hint = " (or server.public_url)" if key == "url" else ""
        sentences.append(f"provider {name} needs {key}{hint}")
    return sentences


def _spec_problems(auth: Auth) -> list[str]:
    spec = auth.signature
    if spec is None:
        return []
    found = spec_problems(spec)
    if auth.provider != "generic":
        found.append("signature describes a scheme of its own; leave out provider")
    if spec.is_public and not auth.public_keys:
        found.append(f"signature needs public_key, with which {spec.algorithm} is checked")
    if not spec.is_public and not auth.secrets:
        found.append("signature needs secret")
    if not found and uses(compile_template(spec.template), "url") and not auth.url:
        found.append("the template uses {url}; give url (or server.public_url)")
    return found


def _signed_away(auth: Auth, provider: Provider) -> list[str]:
    """Say where a handshake would sign anybody's token or event: what has only what it echoes."""
    known = () if provider.handshake is None else (provider.handshake,)
    signs = first_of((*map(handshake_of, auth.handshakes), *known)).signs
    if auth.open_to_all or not auth.secrets or not signs:
        return []
    by_token = jwt_spec(auth, provider) is not None or "atlassian" in provider.coded
    what, how = "token", "let a jwks or a public_key prove the tokens"
    if not by_token:
        if not any(map(_without_body, schemes_of(auth, provider))):
            return []
        what, how = "event", "let the signature cover the body"
    problem = f"a handshake that signs would sign anybody's {what} with this secret; {how},"
    return [f"{problem} or remove the handshake"]


def _without_body(scheme: Scheme) -> bool:
    """Whether a scheme compares such HMACs as a handshake gives away, of no JSON object."""
    by_secret = scheme.algorithm == "sha256" and scheme.encoding != "plain"
    return by_secret and not uses(compile_template(scheme.template), "body")


def _unused(auth: Auth, provider: Provider) -> list[str]:
    known = provider.needs | provider.also | {"jwt"}
    if auth.signature is not None:
        known = frozenset({"public_key" if auth.signature.is_public else "secret", "jwt"})
    elif auth.jwt is not None:
        known |= {"secret", "public_key"}
    elif not provider.needs:
        known |= {"secret"}  # generic: a secret or not, as the endpoint likes
    return [
        f"provider {auth.provider} has no use for {key}"
        for key, given in _given(auth).items()
        if given and key not in known and key != "url"
    ]


def _unfit_keys(auth: Auth, schemes: Sequence[Scheme]) -> list[str]:
    found = ["a secret is empty" for secret in auth.secrets if not secret]
    if any(b"-----BEGIN PUBLIC KEY" in secret for secret in auth.secrets):
        found.append("a secret is a public key, which anybody may know; write it as public_key")
    for scheme in schemes:
        try:
            scheme_keys(scheme, auth.secrets, auth.public_keys)
        except ValueError as error:
            found.append(str(error))
    if auth.webhook_id and not auth.webhook_id.isascii():
        found.append("webhook_id is not ASCII")
    return found


class Verifier:
    """Everything receive asks about a request to one endpoint."""

    def __init__(self, auth: Auth, provider: Provider, checks: Sequence[Check]) -> None:
        self.provider: Final = ALIASES.get(auth.provider, auth.provider)
        self.forms: Final = provider.forms
        known = () if provider.handshake is None else (provider.handshake,)
        self._handshake = first_of((*map(handshake_of, auth.handshakes), *known))
        self.methods: Final = self._handshake.methods  # on which handshakes come, beside POST
        self.greets_unproven: Final = self._handshake.unproven
        self.open_to_all: Final = auth.open_to_all
        self._auth = auth
        self._row = provider
        self._checks = tuple(checks)
        self._every = provider.every and auth.signature is None
        self._pinned = [check for check in checks if isinstance(check, PinnedCheck)]
        # A handshake may have a URL visited only where the provider's own check has proven it.
        own = not (auth.open_to_all or auth.signature or auth.jwt)
        self._visits = own and bool(provider.coded)
        self._signature_headers = signature_headers(auth, provider)
        # Those that no general rule keeps from being stored: of a scheme of one's own.
        self.secret_headers: Final = frozenset(
            name.lower() for name in self._signature_headers if not is_secret_header(name)
        )
        self._shared = Shared(auth.secrets, auth.verify_token)
        self.event_type_header: Final = auth.event_type_header
        self._named_type = header(auth.event_type_header) if auth.event_type_header else None
        named_id = auth.delivery_id_header
        self._delivery_id = header(named_id) if named_id else provider.delivery_id
        # Whether the body must be read before the sender is proven.
        self.reads_first: Final = any(check.paths for check in checks)
        self.paths: Final = tuple(
            dict.fromkeys(
                path
                for part in (*checks, self._handshake, provider.event_type, provider.delivery_id)
                if part is not None
                for path in part.paths
            )
        )

    def verify(self, sender: Inbound) -> Genuine | Rejected:
        """Prove who sent the request.

        The strongest signature that is present decides, whatever else is; only without any
        signature may an API key prove the sender.
        """
        if self.open_to_all:
            return Genuine("none")
        proof: Genuine | None = None
        for check in self._checks:
            verdict = check.check(sender)
            if isinstance(verdict, Rejected):
                return verdict
            proof = proof or verdict
            if proof is not None and not self._every:
                return proof
        if proof is not None:
            return proof
        for name in self._signature_headers:
            # An API key stands in Authorization too.
            if name != AUTHORIZATION and sender.headers.getall(name, []):
                return Rejected(
                    "invalid_signature", f"{name} holds nothing that a configured key could check"
                )
        return verify_api_key(sender.headers, self._auth.api_keys)

    def pinned(self, sender: Inbound) -> Pinned | None:
        """Return the document from elsewhere that `verify` will want; usually None."""
        for check in self._pinned:
            if (wanted := check.pinned(sender)) is not None:
                return wanted
        return None

    def handshake(self, sender: Inbound, document: Any) -> Answer | None:
        """Answer a handshake; None when the request is none.

        A POST must have been verified before, unless it `greets_unproven`; of other methods ask
        only for `methods`.
        """
        answer = self._handshake.answer(sender, document, self._shared)
        return None if answer is not None and answer.visit and not self._visits else answer

    def named_type(self, headers: Headers) -> str | None:
        """Return the event type from the header that the config names for it, if it does."""
        return self._named_type.find(headers, None) if self._named_type is not None else None

    def event_type(self, headers: Headers, document: Any) -> str | None:
        """Return the event type from the provider's own place."""
        place = self._row.event_type
        return place.find(headers, document) if place is not None else None

    def delivery_id(self, headers: Headers, document: Any) -> str | None:
        """Return what is the same over a provider's retries of one delivery, if anything is."""
        place = self._delivery_id
        own = place.find(headers, document) if place is not None else None
        found = own or COMMON_DELIVERY_ID.find(headers, document)
        return found if found is None or len(found) <= DELIVERY_ID_MAX_CHARS else None


def signature_headers(auth: Auth, provider: Provider) -> tuple[str, ...]:
    """Return the headers in which an endpoint's senders sign."""
    coded = {"twilio": TWILIO_SIGNATURE, "paypal": PAYPAL_SIGNATURE}
    spec = jwt_spec(auth, provider)
    if spec is not None:
        named = spec.header or AUTHORIZATION
        return () if named.lower() == AUTHORIZATION.lower() else (named,)
    return tuple(
        dict.fromkeys(
            [
                name
                for scheme in schemes_of(auth, provider)
                for name in (scheme.header, *scheme.more_headers)
                if name
            ]
            + [coded[name] for name in provider.coded if name in coded]
        )
    )


def proof_headers(auth: Auth) -> tuple[str, ...]:
    """Return the headers that prove an endpoint's senders, beside an API key's."""
    provider = provider_named(auth.provider)
    if provider is None or auth.open_to_all:
        return ()
    return signature_headers(auth, provider)


def compile_verifier(auth: Auth, source: PinnedSource | None = None) -> Verifier:
    """Compile an endpoint's verifier; ValueError says what `problems` says.

    `source` is where the documents come from that some providers' proofs need.
    """
    found = problems(auth)
    provider = provider_named(auth.provider)
    if found or provider is None:
        raise ValueError("; ".join(found))
    tolerance_s = auth.tolerance_s
    if auth.signature is not None and auth.signature.tolerance_s is not None:
        tolerance_s = auth.signature.tolerance_s
    checks: list[Check] = []
    for scheme in schemes_of(auth, provider):
        numbered = scheme_keys(scheme, auth.secrets, auth.public_keys)
        if numbered:
            forms = auth.forms or provider.forms
            checks.append(SchemeCheck(scheme, numbered, tolerance_s, auth.url, forms=forms))
    spec = jwt_spec(auth, provider)
    if auth.open_to_all:
        return Verifier(auth, provider, checks)
    if spec is not None:
        name = "jwt" if auth.provider == "generic" else auth.provider
        keys = [] if spec.jwks else jwt_keys_of(spec, auth.secrets, auth.public_keys)
        checks.append(JwtCheck(name, spec, keys, tolerance_s, source))
    elif auth.signature is None:
        checks += [_coded_check(coded, auth, source) for coded in provider.coded]
    return Verifier(auth, provider, checks)


def _coded_check(coded: str, auth: Auth, source: PinnedSource | None) -> Check:
    if coded == "twilio":
        return TwilioCheck(auth.secrets, auth.url)
    if coded == "atlassian":
        return AtlassianCheck(auth.provider, auth.secrets, auth.tolerance_s, auth.url)
    if source is None:
        raise ValueError(f"provider {auth.provider} needs a source of certificates")
    if coded == "sns":
        return SnsCheck(auth.topics, auth.tolerance_s, source)
    return PayPalCheck(auth.webhook_id, auth.tolerance_s, source)
