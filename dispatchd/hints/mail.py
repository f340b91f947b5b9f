"""Mail, forms and documents."""

from typing import Final

from dispatchd.hints.hint import OWN, Hint, Key, counts_only, secret

HINTS: Final[dict[str, Hint]] = {
    "mailgun": Hint(
        title="Mailgun",
        setup="Sending → Webhooks → the domain → Add webhook, one event type each.",
        keys=secret("the HTTP webhook signing key, with the account's API keys or on that page."),
        own_test="the webhook's Test",
        notes=(
            "The token in each signature is remembered, so that none serves twice.",
            counts_only("a 200", "Mailgun"),
        ),
    ),
    "postmark": Hint(
        title="Postmark",
        setup="Server → message stream → Webhooks → Add webhook; the events are ticked there.",
        keys=secret(
            f"{OWN}, entered there as the password of Basic auth, with any user name. For an"
            " inbound stream put both into the URL: https://postmark:<secret>@<your host>/…"
        ),
        own_test="the webhook's Send test",
        body='{"RecordType":"Delivery"}',
        notes=(counts_only("a 200", "Postmark"),),
    ),
    "sendgrid": Hint(
        title="SendGrid",
        setup="Settings → Mail Settings → Event Webhook; the events are ticked there.",
        keys=(
            Key(
                "public_key",
                "its security features → Signed Event Webhook → enable → Verification Key.",
            ),
        ),
        own_test="the webhook's Test Your Integration, once it is saved and signed",
        cannot="SendGrid signs with a private key (ECDSA) that only it has",
        notes=("A batch is one event, with the event type of its first.",),
    ),
    "elevenlabs": Hint(
        title="ElevenLabs",
        setup="Settings → Webhooks → create one with HMAC; then choose it in the settings of the"
        " product that is to tell you, such as Agents.",
        keys=secret("shown once, when the webhook is made."),
        own_test="have a call with an agent",
        body='{"type":"post_call_transcription"}',
    ),
    "docusign": Hint(
        title="DocuSign",
        setup="Settings → Connect → Add Configuration → Custom: the data format JSON, the"
        " events, and Include HMAC Signature.",
        keys=secret("Settings → Connect → Connect Keys → Add Secret Key; shown once."),
        own_test="send an envelope; Connect → Logs shows what came of it",
        body='{"event":"envelope-sent"}',
    ),
    "typeform": Hint(
        title="Typeform",
        setup="The form → Connect → Webhooks → Add a webhook; switch it on.",
        keys=secret(f"{OWN}, entered under Edit → Secret."),
        own_test="View deliveries → Send test request",
        body='{"event_type":"form_response"}',
    ),
    "resend": Hint(
        title="Resend",
        setup="Webhooks → Add webhook; the events are chosen there.",
        keys=secret("the webhook's Signing secret, whsec_…"),
        own_test="send a mail",
        body='{"type":"email.delivered"}',
    ),
    "dropbox": Hint(
        title="Dropbox",
        setup="dropbox.com/developers/apps → your app → Webhooks → Webhook URIs.",
        keys=secret("the same page → App secret."),
        own_test="change a file of an account that the app is linked to",
        handshake="Adding the URL sends a GET with a challenge, which is echoed. Start dispatchd"
        " first.",
        notes=(
            "Dropbox tells whose files changed, not which, and names no event type.",
            counts_only("a 200", "Dropbox"),
        ),
    ),
}
