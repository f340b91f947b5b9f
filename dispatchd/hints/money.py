"""Shops and payments."""

from typing import Final

from dispatchd.hints.hint import OWN, Hint, Key, secret

HINTS: Final[dict[str, Hint]] = {
    "stripe": Hint(
        title="Stripe",
        setup="Dashboard → Developers (Workbench) → Webhooks → Add destination; the events are"
        " chosen there.",
        keys=secret("the destination's Signing secret, whsec_…, all of it."),
        own_test="make a payment in test mode, or `stripe trigger payment_intent.succeeded`",
        body='{"type":"invoice.paid"}',
        notes=("`stripe listen` signs with a secret of its own, which it prints.",),
    ),
    "shopify": Hint(
        title="Shopify",
        setup="Admin → Settings → Notifications → Webhooks, one topic each, format JSON; or"
        " your app's webhook subscriptions.",
        keys=secret("shown below the list of webhooks there; of an app its client secret."),
        own_test="the webhook's Send test notification",
        headers=("X-Shopify-Topic: orders/create",),
    ),
    "square": Hint(
        title="Square",
        setup="Developer Console → your application → Webhooks → Subscriptions; the events are"
        " ticked there.",
        keys=(
            Key("secret", "the subscription's Signature key."),
            Key("url", "the subscription's Notification URL, letter for letter: it is signed."),
        ),
        own_test="the subscription's Send test event",
        body='{"type":"payment.updated"}',
    ),
    "paypal": Hint(
        title="PayPal",
        setup="Developer Dashboard → Apps & Credentials → your app → Webhooks → Add Webhook;"
        " the event types are ticked there.",
        keys=(Key("webhook_id", "the Webhook ID, in the app's list of webhooks."),),
        own_test="make a sandbox payment. The Webhooks Simulator's events are not signed for"
        " your webhook, and are refused",
        cannot="PayPal signs with a private key that only it has",
        proof="RSA-SHA256 in PAYPAL-TRANSMISSION-SIG, over the transmission's id and time, the"
        " webhook id and the body's CRC-32",
        notes=(
            (
                "PayPal's certificate is fetched from api.paypal.com or api.sandbox.paypal.com:"
                " let dispatchd reach it by HTTPS."
            ),
        ),
    ),
    "woocommerce": Hint(
        title="WooCommerce",
        setup="WooCommerce → Settings → Advanced → Webhooks → Add webhook; Status Active, one"
        " topic each.",
        keys=secret(f"{OWN}, entered there as Secret."),
        own_test="change what the topic is about: an order, a product",
        headers=("X-WC-Webhook-Topic: order.created",),
        handshake="Saving sends a form with the webhook's id alone, unsigned; it is answered 200"
        " and is no event.",
        notes=("Left empty, the Secret is the API user's consumer secret: enter one.",),
    ),
    "paddle": Hint(
        title="Paddle",
        setup="Developer tools → Notifications → New destination, type webhook; the events are"
        " ticked there.",
        keys=secret("the destination's secret key, pdl_ntfset_…"),
        own_test="Developer tools → Simulations",
        body='{"event_type":"transaction.completed"}',
        notes=("Paddle Billing; Paddle Classic signs otherwise and is not known.",),
    ),
    "razorpay": Hint(
        title="Razorpay",
        setup="Dashboard → Account & Settings → Webhooks → Add New Webhook; the active events"
        " are ticked there.",
        keys=secret(f"{OWN}, entered there as Secret; it is not the API key's."),
        own_test="make a payment in test mode",
        body='{"event":"payment.captured"}',
    ),
    "adyen": Hint(
        title="Adyen",
        setup="Customer Area → Developers → Webhooks → Create new webhook → Standard webhook,"
        " method JSON.",
        keys=secret("the webhook's HMAC Key → Generate: 64 hex digits, shown once."),
        own_test="the webhook's Test configuration",
        notes=(
            (
                "If your account waits for the word [accepted], add"
                ' `answer: {body: "[accepted]"}` to the endpoint.'
            ),
        ),
    ),
}
