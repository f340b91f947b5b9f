"""The table of providers: each is a row of data; code only where `coded` names a module.

Each scheme's source is the provider's own documentation. Schemes are listed strongest first:
the first one whose signature is present and whose key is configured decides.
"""

from dataclasses import dataclass
from typing import Final

from dispatchd.verify import handshake as shake
from dispatchd.verify import sns
from dispatchd.verify.jwt_spec import BodyHash, JwtSpec
from dispatchd.verify.places import (
    Place,
    either,
    field,
    header,
    joined,
    meta_type,
    signed_by,
    slack_type,
    x_type,
)
from dispatchd.verify.scheme import Listed, Scheme


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    `coded` schemes come after the tabled ones. `needs` are the config keys of which at least
    one must be given, `also` those that must all be; `forms` says that it may send forms, so
    that `body: form` is implied; `every` that each signature present must be right, not only
    the strongest; `gets` that its handshake comes as a GET; `remembers` that its signature covers
    its delivery id and not the body, so that each id must be remembered; `jwt` how its tokens
    prove it, which the endpoint's own `jwt` completes.
    """

    schemes: tuple[Scheme, ...] = ()
    coded: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset({"secret"})
    also: frozenset[str] = frozenset()
    event_type: Place | None = None
    delivery_id: Place | None = None
    handshake: shake.Handshake | None = None
    gets: bool = False
    forms: bool = False
    every: bool = False
    remembers: bool = False
    jwt: JwtSpec | None = None


_HUB_256: Final = "X-Hub-Signature-256"
_COMMON_ID: Final = either(header("webhook-id"), header("Idempotency-Key"))


def standard(prefix: str, name: str, key: str = "base64") -> tuple[Scheme, Scheme]:
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


PROVIDERS: Final[dict[str, Provider]] = {
    "generic": Provider(
        schemes=(
            Scheme("dispatch", header="X-Dispatch-Signature", prefix="sha256="),
            Scheme("github", header=_HUB_256, prefix="sha256="),
        ),
        needs=frozenset(),
        every=True,
    ),
    "github": Provider(  # its older X-Hub-Signature is SHA-1 and never looked at
        schemes=(Scheme("github", header=_HUB_256, prefix="sha256="),),
        event_type=header("X-GitHub-Event"),
        delivery_id=header("X-GitHub-Delivery"),
        forms=True,
    ),
    "gitlab": Provider(
        schemes=(
            standard("webhook", "gitlab", key="signing")[1],
            Scheme("gitlab", header="X-Gitlab-Token", encoding="plain", key="token"),
        ),
        event_type=header("X-Gitlab-Event"),
        # Not X-Gitlab-Event-UUID: webhooks that one webhook sets off share it.
        # With a signing token the signature covers webhook-id.
        delivery_id=signed_by("webhook-signature", header("webhook-id"), header("Idempotency-Key")),
    ),
    "bitbucket": Provider(
        schemes=(Scheme("bitbucket", header="X-Hub-Signature", prefix="sha256="),),
        event_type=header("X-Event-Key"),
        delivery_id=header("X-Request-UUID"),
    ),
    "slack": Provider(
        schemes=(
            Scheme(
                "slack",
                header="X-Slack-Signature",
                prefix="v0=",
                timestamp_header="X-Slack-Request-Timestamp",
                template="v0:{timestamp}:{body}",
            ),
        ),
        event_type=slack_type,
        delivery_id=field("event_id"),
        handshake=shake.slack,
        forms=True,
    ),
    "stripe": Provider(
        schemes=(
            Scheme(
                "stripe",
                header="Stripe-Signature",
                template="{timestamp}.{body}",
                listed=Listed(",", "=", "v1", timestamp="t"),
            ),
        ),
        event_type=field("type"),
        delivery_id=field("id"),
    ),
    "shopify": Provider(
        schemes=(
            Scheme("shopify", header="X-Shopify-Hmac-SHA256", encoding="base64"),
            Scheme("shopify", header="Shopify-Hmac-SHA256", encoding="base64"),  # "events"
        ),
        event_type=either(header("X-Shopify-Topic"), header("Shopify-Topic")),
        # One act of a merchant is one event ID on webhooks of several topics.
        delivery_id=either(
            joined(" ", header("X-Shopify-Event-Id"), header("X-Shopify-Topic")),
            header("Shopify-Webhook-Id"),
        ),
    ),
    "linear": Provider(
        schemes=(
            Scheme(
                "linear",
                header="Linear-Signature",
                timestamp_path="webhookTimestamp",
                timestamp_unit_s=0.001,
            ),
        ),
        event_type=joined(".", field("type"), field("action")),
        delivery_id=header("Linear-Delivery"),
    ),
    "standard-webhooks": Provider(
        schemes=(*standard("webhook", "standard-webhooks"), *standard("svix", "svix")),
        needs=frozenset({"secret", "public_key"}),
        event_type=field("type"),
        delivery_id=signed_by("webhook-signature", header("webhook-id"), header("svix-id")),
    ),
    "twilio": Provider(
        coded=("twilio",),
        also=frozenset({"url"}),
        event_type=either(
            field("EventType"), field("MessageStatus"), field("SmsStatus"), field("CallStatus")
        ),
        delivery_id=header("I-Twilio-Idempotency-Token"),
        forms=True,
    ),
    "jira": Provider(
        schemes=(Scheme("jira", header="X-Hub-Signature", prefix="sha256="),),
        coded=("atlassian",),
        event_type=field("webhookEvent"),
        delivery_id=header("X-Atlassian-Webhook-Identifier"),
    ),
    "discord": Provider(
        schemes=(
            Scheme(
                "discord",
                header="X-Signature-Ed25519",
                algorithm="ed25519",
                timestamp_header="X-Signature-Timestamp",
                template="{timestamp}{body}",
                key="public",
            ),
        ),
        needs=frozenset({"public_key"}),
        event_type=field("event.type"),
        delivery_id=field("id"),  # interactions only; webhook events have none
        handshake=shake.discord,
    ),
    "square": Provider(
        schemes=(
            Scheme(
                "square",
                header="x-square-hmacsha256-signature",
                encoding="base64",
                template="{url}{body}",
            ),
        ),
        also=frozenset({"url"}),
        event_type=field("type"),
        delivery_id=field("event_id"),
    ),
    "paypal": Provider(
        coded=("paypal",),
        needs=frozenset({"webhook_id"}),
        event_type=field("event_type"),
        delivery_id=field("id"),
    ),
    "zoom": Provider(
        schemes=(
            Scheme(
                "zoom",
                header="x-zm-signature",
                prefix="v0=",
                timestamp_header="x-zm-request-timestamp",
                template="v0:{timestamp}:{body}",
            ),
        ),
        event_type=field("event"),
        handshake=shake.zoom,
    ),
    "meta": Provider(
        schemes=(Scheme("meta", header=_HUB_256, prefix="sha256="),),
        also=frozenset({"verify_token"}),
        event_type=meta_type,
        handshake=shake.meta,
        gets=True,
    ),
    "x": Provider(
        schemes=(
            Scheme(
                "x",
                header="x-twitter-webhooks-signature",
                encoding="base64",
                prefix="sha256=",
                object_only=True,
            ),
        ),
        event_type=x_type,
        handshake=shake.x,
        gets=True,
    ),
    "mailgun": Provider(
        schemes=(
            Scheme(
                "mailgun",
                path="signature.signature",
                timestamp_path="signature.timestamp",
                template="{body.signature.timestamp}{body.signature.token}",
            ),
            Scheme(  # routes and older webhooks send a form
                "mailgun",
                path="signature",
                timestamp_path="timestamp",
                template="{body.timestamp}{body.token}",
            ),
        ),
        event_type=either(field("event-data.event"), field("event")),
        # The signature does not cover the body: a token seen before must not buy a second event.
        delivery_id=either(field("signature.token"), field("token")),
        forms=True,
        remembers=True,
    ),
    "google-pubsub": Provider(  # push subscriptions with authentication
        jwt=JwtSpec(
            jwks="https://www.googleapis.com/oauth2/v3/certs",
            issuers=("https://accounts.google.com", "accounts.google.com"),
            algorithms=("RS256",),
            claims={"email_verified": True},
            # Anybody's subscription can ask for this audience; only the account is the sender's.
            must_name=("email",),
            for_url=True,
        ),
        needs=frozenset({"jwt"}),
        event_type=either(
            field("message.attributes.eventType"), field("message.attributes.ce-type")
        ),
        delivery_id=either(field("message.messageId"), header("X-Goog-PubSub-Message-Id")),
    ),
    "fusionauth": Provider(
        jwt=JwtSpec(
            header="X-FusionAuth-Signature-JWT",
            body_hash=BodyHash("request_body_sha256", "base64"),
        ),
        needs=frozenset({"secret", "public_key", "jwt"}),
        event_type=field("event.type"),
        delivery_id=field("event.id"),
    ),
    "netlify": Provider(
        jwt=JwtSpec(
            header="X-Webhook-Signature",
            issuers=("netlify",),
            algorithms=("HS256",),
            body_hash=BodyHash("sha256"),
        ),
        event_type=header("X-Netlify-Event"),
    ),
    "aws-sns": Provider(
        coded=("sns",),
        needs=frozenset({"topic"}),
        event_type=sns.sns_type,
        delivery_id=field("MessageId"),
        handshake=sns.confirmation,
    ),
}

ALIASES: Final = {
    "svix": "standard-webhooks",
    "twitter": "x",
    "facebook": "meta",
    "instagram": "meta",
    "whatsapp": "meta",
    "confluence": "jira",
}

COMMON_DELIVERY_ID: Final[Place] = _COMMON_ID


def provider_names() -> tuple[str, ...]:
    """Return every name that a config may use, aliases last."""
    return (*PROVIDERS, *ALIASES)


def must_remember(name: str) -> bool:
    """Whether a provider's delivery ids are all that keeps a signature from being used again."""
    provider = provider_named(name)
    return provider is not None and provider.remembers


def covers_url(name: str) -> bool:
    """Whether a provider's signature covers the URL that it posts to."""
    provider = provider_named(name)
    return provider is not None and "url" in provider.also


def is_for_url(name: str) -> bool:
    """Whether a provider's tokens are for the URL that it posts to, unless it is told otherwise."""
    provider = provider_named(name)
    return provider is not None and provider.jwt is not None and provider.jwt.for_url


def provider_named(name: str) -> Provider | None:
    """Return the provider of a name or alias."""
    return PROVIDERS.get(ALIASES.get(name, name))
