"""Clouds and identity: senders who prove themselves by tokens and certificates."""

from typing import Final

from dispatchd.hints.hint import OWN, Hint, Key, secret

HINTS: Final[dict[str, Hint]] = {
    "google-pubsub": Hint(
        title="Google Pub/Sub",
        setup="A push subscription: the endpoint URL, Enable authentication, and a service"
        " account. Leave the audience empty: it is the URL then.",
        keys=(
            Key("url", "the push endpoint, letter for letter: it is the token's audience."),
            Key("jwt.claims.email", "the service account chosen there, …gserviceaccount.com"),
        ),
        own_test="publish a message to the topic",
        cannot="Google signs with a private key that only it has",
        proof="a JSON Web Token (RS256) in Authorization, checked with Google's published keys:"
        " the audience, the service account and the time; the message is not covered",
        notes=(
            "The keys are fetched from www.googleapis.com: let dispatchd reach it by HTTPS.",
            "An audience of your own goes into `jwt: {audience: …}`.",
        ),
    ),
    "fusionauth": Hint(
        title="FusionAuth",
        setup="Settings → Webhooks → Add: the URL, the events, and under Security the signature"
        " with a signing key. The tenant has to enable the events too.",
        keys=secret(
            "the HMAC key of Settings → Key Master that signs there. Of an RSA or EC key give its"
            " PEM as `public_key` in place of this line."
        ),
        own_test="the webhook's Test action",
        body='{"event":{"type":"user.create"}}',
        proof="a JSON Web Token in X-FusionAuth-Signature-JWT, over the body's SHA-256",
    ),
    "netlify": Hint(
        title="Netlify",
        setup="Project configuration → Notifications → Deploy notifications → HTTP POST request,"
        " one event each.",
        keys=secret(f"{OWN}, entered there as JWS secret token."),
        own_test="trigger a deploy",
        headers=("X-Netlify-Event: deploy_created",),
        proof="a JSON Web Token (HS256) in X-Webhook-Signature, over the body's SHA-256",
        notes=("The token covers neither X-Netlify-Event nor the time.",),
    ),
    "aws-sns": Hint(
        title="Amazon SNS",
        setup="The topic → Create subscription → protocol HTTPS, the URL as endpoint; leave raw"
        " message delivery off. Start dispatchd first.",
        keys=(Key("topic", "the topic's ARN, arn:aws:sns:…"),),
        own_test="the topic → Publish message",
        cannot="SNS signs with a private key that only it has",
        handshake="The SubscriptionConfirmation of a named topic is confirmed, once it is proven.",
        proof="RSA in the body, over message, id, subject, time, topic and type; message"
        " attributes are not covered",
        notes=(
            "Set the topic's SignatureVersion to 2: with 1 it signs with SHA-1.",
            "The certificate is fetched from the region's SNS: let dispatchd reach it by HTTPS.",
        ),
    ),
}
