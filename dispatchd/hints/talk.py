"""Chat, calls and social networks."""

from typing import Final

from dispatchd.hints.hint import OWN, Hint, Key, counts_only, secret

_META_CHALLENGE: Final = (
    "Verify and save sends a GET with the verify token; its challenge is echoed."
)
_META_TOKEN: Final = Key("verify_token", f"{OWN}, entered there as Verify token.")
_META_SECRET: Final = Key("secret", "App settings → Basic → App secret.")
_X_SETUP: Final = (
    "Webhooks are registered over the API (POST /2/webhooks), and then subscribed to for each"
    " account."
)
_X_CHALLENGE: Final = (
    "X asks with a GET and crc_token, at first and again and again; it is answered with its HMAC."
)

HINTS: Final[dict[str, Hint]] = {
    "slack": Hint(
        title="Slack",
        setup="api.slack.com/apps → your app → Event Subscriptions → Request URL; the bot events"
        " are added below it. Slash commands and interactivity have URLs of their own.",
        keys=secret("Basic Information → App Credentials → Signing Secret."),
        own_test="write in a channel that the app is in",
        body='{"type":"event_callback","event":{"type":"message"}}',
        handshake="Saving the URL sends a signed url_verification; its challenge is echoed. Start"
        " dispatchd first.",
        notes=("A slash command is acknowledged with the 202's JSON: it answers nothing itself.",),
    ),
    "discord": Hint(
        title="Discord",
        setup="discord.com/developers → your application → Webhooks → Endpoint; the events are"
        " ticked there.",
        keys=(Key("public_key", "General Information → Public Key, 64 hex digits."),),
        own_test="saving the URL sends pings, one of them badly signed on purpose",
        cannot="Discord signs with a private key (ed25519) that only it has",
        handshake="Pings are answered: 204 of webhook events, type 1 of interactions. Start"
        " dispatchd first.",
        notes=(
            (
                "An interaction wants an answer within three seconds, which the 202 is not: use it"
                " for webhook events."
            ),
        ),
    ),
    "zoom": Hint(
        title="Zoom",
        setup="marketplace.zoom.us → Manage → your app → Features → Access → Event Subscriptions;"
        " the event types are added there.",
        keys=secret("the app's Secret Token, on the same page."),
        own_test="start a meeting",
        body='{"event":"meeting.started"}',
        handshake="Validate sends endpoint.url_validation, and Zoom repeats it every 72 hours; it"
        " is answered with its HMAC.",
        notes=(counts_only("a 200 or a 204", "Zoom"),),
    ),
    "meta": Hint(
        title="Meta",
        setup="developers.facebook.com → your app → Webhooks: choose an object, enter URL and"
        " verify token, then subscribe to its fields.",
        keys=(_META_SECRET, _META_TOKEN),
        own_test="the field's Test button",
        body='{"object":"page"}',
        handshake=_META_CHALLENGE,
    ),
    "facebook": Hint(
        title="Facebook pages",
        setup="developers.facebook.com → your app → Webhooks → Page: enter URL and verify token,"
        " subscribe to its fields, and subscribe the page to the app.",
        keys=(_META_SECRET, _META_TOKEN),
        own_test="the field's Test button",
        body='{"object":"page"}',
        handshake=_META_CHALLENGE,
    ),
    "instagram": Hint(
        title="Instagram",
        setup="developers.facebook.com → your app → Instagram (or Webhooks → Instagram): enter"
        " URL and verify token, then subscribe to its fields.",
        keys=(_META_SECRET, _META_TOKEN),
        own_test="the field's Test button",
        body='{"object":"instagram"}',
        handshake=_META_CHALLENGE,
        notes=(
            (
                "An app with Instagram login has an Instagram app secret too. Where you are not"
                " sure which one signs, give both as a list."
            ),
        ),
    ),
    "whatsapp": Hint(
        title="WhatsApp Business",
        setup="developers.facebook.com → your app → WhatsApp → Configuration → Webhook: enter URL"
        " and verify token, then subscribe to `messages`.",
        keys=(_META_SECRET, _META_TOKEN),
        own_test="the field's Test button",
        body='{"object":"whatsapp_business_account"}',
        handshake=_META_CHALLENGE,
    ),
    "x": Hint(
        title="X",
        setup=_X_SETUP,
        keys=secret("developer portal → your app → Keys and tokens → API Key Secret."),
        own_test="post from an account that is subscribed",
        body='{"tweet_create_events":[]}',
        handshake=_X_CHALLENGE,
    ),
    "twitter": Hint(
        title="X, by its old name",
        setup=_X_SETUP,
        keys=secret("developer portal → your app → Keys and tokens → API Key Secret."),
        own_test="post from an account that is subscribed",
        body='{"tweet_create_events":[]}',
        handshake=_X_CHALLENGE,
    ),
    "twilio": Hint(
        title="Twilio",
        setup="Console → the number, messaging service or product that is to tell you → its"
        " webhook or status callback URL, by HTTP POST.",
        keys=(
            Key("secret", "Console → Account Info → Auth Token (not an API key's secret)."),
            Key("url", "the URL entered there, letter for letter, with its query: it is signed."),
        ),
        own_test="send an SMS to the number",
        body='{"EventType":"onMessageAdded"}',
        proof="HMAC-SHA1 in X-Twilio-Signature, over the URL and a form's fields; of JSON over"
        " the URL, which has the body's SHA-256 in its query",
        notes=("Incoming calls and messages want TwiML back, which the 202 is not.",),
    ),
    "telegram": Hint(
        title="Telegram bots",
        setup="Call https://api.telegram.org/bot<bot token>/setWebhook with url, secret_token and,"
        " if you like, allowed_updates.",
        keys=secret("the secret_token: 1 to 256 letters, digits, _ and - of your own making."),
        own_test="write to the bot; getWebhookInfo tells the last error",
        body='{"message":{"text":"hello"}}',
    ),
    "twitch": Hint(
        title="Twitch EventSub",
        setup="Subscriptions are made over the API: POST /helix/eventsub/subscriptions with type,"
        " condition and transport (method webhook, callback, secret).",
        keys=secret("transport.secret: 10 to 100 ASCII characters of your own making."),
        own_test="`twitch event trigger` of the Twitch CLI, with -F <URL> and -s <secret>",
        headers=(
            "Twitch-Eventsub-Subscription-Type: stream.online",
            "Twitch-Eventsub-Message-Type: notification",
        ),
        handshake="A new subscription sends webhook_callback_verification, signed; its challenge"
        " is echoed. Start dispatchd first.",
    ),
    "intercom": Hint(
        title="Intercom",
        setup="Developer Hub → your app → Webhooks: the URL, and the topics.",
        keys=secret("Basic information → Client secret."),
        own_test="saving asks by HEAD; then write in a conversation",
        body='{"topic":"conversation.user.created"}',
        handshake="Intercom asks by HEAD whether the URL is there.",
    ),
    "zendesk": Hint(
        title="Zendesk",
        setup="Admin Center → Apps and integrations → Webhooks → Create webhook: Zendesk events,"
        " or a trigger that notifies it; method POST, format JSON.",
        keys=secret("the webhook's page → Signing secret → Show."),
        own_test="the webhook's Test webhook, once it is saved",
        body='{"type":"zen:event-type:ticket.created"}',
        notes=(
            (
                "A test before the webhook is saved is signed with a secret that is public"
                " knowledge, and is refused."
            ),
        ),
    ),
    "calendly": Hint(
        title="Calendly",
        setup="Subscriptions are made over the API: POST /webhook_subscriptions with url, events,"
        " organization, scope and signing_key.",
        keys=secret(f"the signing_key given there: {OWN}."),
        own_test="book a meeting with yourself",
        body='{"event":"invitee.created"}',
        notes=("Without a signing_key of your own Calendly signs with none that you know.",),
    ),
    "hubspot": Hint(
        title="HubSpot",
        setup="Your app → Webhooks: the target URL, and its event subscriptions.",
        keys=(
            Key("secret", "your app → Auth → Client secret."),
            Key("url", "the target URL, letter for letter: it is signed."),
        ),
        own_test="the subscription's Test, or change a contact",
        body='[{"subscriptionType":"contact.creation"}]',
        notes=("A batch is one event, with the event type of its first.",),
    ),
}
