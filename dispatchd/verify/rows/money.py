"""Shops and payments.

Schemes are listed strongest first: the first one whose signature is present and whose key is
configured decides.
"""

from typing import Final

from dispatchd.verify import greetings
from dispatchd.verify.places import either, field, header, joined
from dispatchd.verify.provider import Provider
from dispatchd.verify.scheme import Listed, Scheme

_ADYEN: Final = "notificationItems.0.NotificationRequestItem"

ROWS: Final[dict[str, Provider]] = {
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
    "woocommerce": Provider(
        schemes=(Scheme("woocommerce", header="X-WC-Webhook-Signature", encoding="base64"),),
        event_type=header("X-WC-Webhook-Topic"),
        delivery_id=header("X-WC-Webhook-Delivery-ID"),
        handshake=greetings.woocommerce,
        forms=True,
    ),
    "paddle": Provider(
        schemes=(
            Scheme(
                "paddle",
                header="Paddle-Signature",
                template="{timestamp}:{body}",
                listed=Listed(";", "=", "h1", timestamp="ts"),
            ),
        ),
        event_type=field("event_type"),
        delivery_id=field("event_id"),
    ),
    "razorpay": Provider(
        schemes=(Scheme("razorpay", header="X-Razorpay-Signature"),),
        event_type=field("event"),
        delivery_id=header("X-Razorpay-Event-Id"),
    ),
    "adyen": Provider(
        schemes=(
            Scheme(
                "adyen",
                path=f"{_ADYEN}.additionalData.hmacSignature",
                encoding="base64",
                key="hex",
                # It signs one item. A second is refused: whatever it is, it is not nothing.
                template="{body.notificationItems.1?}"
                + ":".join(
                    f"{{body.{_ADYEN}.{name}?}}"
                    for name in (
                        "pspReference",
                        "originalReference",
                        "merchantAccountCode",
                        "merchantReference",
                        "amount.value",
                        "amount.currency",
                        "eventCode",
                        "success",
                    )
                ),
            ),
        ),
        event_type=field(f"{_ADYEN}.eventCode"),
        # The signature does not cover the whole body: what was seen must not buy another event.
        delivery_id=joined(
            ".",
            joined(".", field(f"{_ADYEN}.pspReference"), field(f"{_ADYEN}.eventCode")),
            field(f"{_ADYEN}.success"),
        ),
        remembers=True,
    ),
}
