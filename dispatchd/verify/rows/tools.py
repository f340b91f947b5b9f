"""Monitoring, clouds, identity, and whoever follows Standard Webhooks.

Schemes are listed strongest first: the first one whose signature is present and whose key is
configured decides.
"""

from typing import Final

from dispatchd.verify import greetings, sns
from dispatchd.verify import handshake as shake
from dispatchd.verify.jwt_spec import BodyHash, JwtSpec
from dispatchd.verify.places import either, field, header, joined, of_only_one, signed_by
from dispatchd.verify.provider import Provider, authorization, standard, tokens
from dispatchd.verify.scheme import Listed, Scheme

ROWS: Final[dict[str, Provider]] = {
    "standard-webhooks": Provider(
        schemes=(*standard("webhook", "standard-webhooks"), *standard("svix", "svix")),
        needs=frozenset({"secret", "public_key"}),
        event_type=field("type"),
        delivery_id=signed_by("webhook-signature", header("webhook-id"), header("svix-id")),
    ),
    "sentry": Provider(
        schemes=(Scheme("sentry", header="Sentry-Hook-Signature"),),
        event_type=joined(".", header("Sentry-Hook-Resource"), field("action")),
        delivery_id=header("Request-ID"),
    ),
    "grafana": Provider(
        schemes=(
            Scheme("grafana", header="X-Grafana-Alerting-Signature"),
            *tokens("grafana"),
        ),
        event_type=field("status"),
    ),
    "alertmanager": Provider(schemes=tokens("alertmanager"), event_type=field("status")),
    "pagerduty": Provider(
        schemes=(
            Scheme("pagerduty", header="X-PagerDuty-Signature", listed=Listed(",", "=", "v1")),
        ),
        event_type=field("event.event_type"),
        delivery_id=field("event.id"),
    ),
    "dropbox": Provider(
        schemes=(Scheme("dropbox", header="X-Dropbox-Signature"),),
        handshake=greetings.dropbox,
    ),
    "okta": Provider(
        schemes=(authorization("okta"),),
        event_type=field("data.events.0.eventType"),
        delivery_id=field("eventId"),
        handshake=greetings.okta,
    ),
    "auth0": Provider(
        schemes=(authorization("auth0"),),
        event_type=either(field("0.data.type"), field("data.type")),
    ),
    "azure-event-grid": Provider(
        schemes=tokens("azure-event-grid"),
        event_type=either(field("0.eventType"), field("0.type"), field("type")),
        delivery_id=either(of_only_one("id"), field("id")),
        handshake=shake.first_of((greetings.event_grid, greetings.cloudevents)),
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
    "aws-sns": Provider(
        coded=("sns",),
        needs=frozenset({"topic"}),
        event_type=sns.sns_type,
        delivery_id=field("MessageId"),
        handshake=sns.confirmation,
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
    "plex": Provider(schemes=tokens("plex"), forms=True),
    "uptime-kuma": Provider(schemes=tokens("uptime-kuma"), event_type=field("heartbeat.status")),
    "home-assistant": Provider(schemes=tokens("home-assistant"), event_type=field("event_type")),
}
