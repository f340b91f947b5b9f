"""Chat, calls, mail and social networks.

Schemes are listed strongest first: the first one whose signature is present and whose key is
configured decides.
"""

from typing import Final

from dispatchd.verify import greetings
from dispatchd.verify import handshake as shake
from dispatchd.verify.places import (
    either,
    field,
    header,
    meta_type,
    slack_type,
    telegram_type,
    x_type,
)
from dispatchd.verify.provider import HUB_256, Provider, basic
from dispatchd.verify.scheme import Listed, Scheme

ROWS: Final[dict[str, Provider]] = {
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
        schemes=(Scheme("meta", header=HUB_256, prefix="sha256="),),
        also=frozenset({"verify_token"}),
        event_type=meta_type,
        handshake=shake.meta,
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
    "telegram": Provider(
        schemes=(
            Scheme(
                "telegram",
                header="X-Telegram-Bot-Api-Secret-Token",
                encoding="plain",
                key="plain",
            ),
        ),
        event_type=telegram_type,
        delivery_id=field("update_id"),
    ),
    "twitch": Provider(
        schemes=(
            Scheme(
                "twitch",
                header="Twitch-Eventsub-Message-Signature",
                prefix="sha256=",
                timestamp_header="Twitch-Eventsub-Message-Timestamp",
                timestamp_unit="iso8601",
                template="{header.Twitch-Eventsub-Message-Id}{timestamp}{body}",
            ),
        ),
        event_type=header("Twitch-Eventsub-Subscription-Type"),
        delivery_id=header("Twitch-Eventsub-Message-Id"),
        handshake=greetings.twitch,
    ),
    "intercom": Provider(
        schemes=(Scheme("intercom", header="X-Hub-Signature", algorithm="sha1", prefix="sha1="),),
        event_type=field("topic"),
        delivery_id=field("id"),
        handshake=greetings.head,
    ),
    "zendesk": Provider(
        schemes=(
            Scheme(
                "zendesk",
                header="X-Zendesk-Webhook-Signature",
                encoding="base64",
                timestamp_header="X-Zendesk-Webhook-Signature-Timestamp",
                timestamp_unit="iso8601",
                template="{timestamp}{body}",
            ),
        ),
        event_type=field("type"),
        delivery_id=header("X-Zendesk-Webhook-Invocation-Id"),
    ),
    "postmark": Provider(schemes=(basic("postmark"),), event_type=field("RecordType")),
    "sendgrid": Provider(
        schemes=(
            Scheme(
                "sendgrid",
                header="X-Twilio-Email-Event-Webhook-Signature",
                algorithm="ecdsa-p256",
                encoding="base64",
                timestamp_header="X-Twilio-Email-Event-Webhook-Timestamp",
                template="{timestamp}{body}",
                key="public",
            ),
        ),
        needs=frozenset({"public_key"}),
        event_type=field("0.event"),
    ),
    "elevenlabs": Provider(
        schemes=(
            Scheme(
                "elevenlabs",
                header="ElevenLabs-Signature",
                template="{timestamp}.{body}",
                listed=Listed(",", "=", "v0", timestamp="t"),
            ),
        ),
        event_type=field("type"),
    ),
    "calendly": Provider(
        schemes=(
            Scheme(
                "calendly",
                header="Calendly-Webhook-Signature",
                template="{timestamp}.{body}",
                listed=Listed(",", "=", "v1", timestamp="t"),
            ),
        ),
        event_type=field("event"),
    ),
    "hubspot": Provider(
        schemes=(
            Scheme(
                "hubspot",
                header="X-HubSpot-Signature-v3",
                encoding="base64",
                timestamp_header="X-HubSpot-Request-Timestamp",
                timestamp_unit="ms",
                template="{method}{url}{body}{timestamp}",
            ),
        ),
        also=frozenset({"url"}),
        event_type=field("0.subscriptionType"),
    ),
    "docusign": Provider(
        schemes=(
            Scheme(
                "docusign",
                header="X-DocuSign-Signature-1",
                # One for each key of the account; which one is ours it does not say.
                more_headers=tuple(f"X-DocuSign-Signature-{n}" for n in range(2, 11)),
                encoding="base64",
            ),
        ),
        event_type=field("event"),
    ),
    "typeform": Provider(
        schemes=(
            Scheme("typeform", header="Typeform-Signature", encoding="base64", prefix="sha256="),
        ),
        event_type=field("event_type"),
        delivery_id=field("event_id"),
    ),
}
