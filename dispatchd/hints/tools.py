"""Monitoring, identity, the home, and whoever follows Standard Webhooks."""

from typing import Final

from dispatchd.hints.hint import OWN, Hint, secret

_BEARER: Final = "sent as `Authorization: Bearer <secret>`"

HINTS: Final[dict[str, Hint]] = {
    "standard-webhooks": Hint(
        title="Standard Webhooks",
        setup="Wherever the sender has its webhooks; most show the secret beside the URL.",
        keys=secret(
            "whsec_… as the sender shows it. Where it signs with a private key (v1a) give its"
            " `public_key`, whpk_…, in place of this line."
        ),
        own_test="",
        body='{"type":"user.created"}',
    ),
    "svix": Hint(
        title="Svix",
        setup="The sender's webhook portal → Endpoints → Add Endpoint, with its events.",
        keys=secret("the endpoint's Signing Secret, whsec_…"),
        own_test="the endpoint's Testing tab → Send Example",
        body='{"type":"user.created"}',
    ),
    "clerk": Hint(
        title="Clerk",
        setup="Dashboard → Configure → Webhooks → Add Endpoint; the events are chosen there.",
        keys=secret("the endpoint's Signing Secret, whsec_…"),
        own_test="the endpoint's Testing tab → Send Example",
        body='{"type":"user.created"}',
    ),
    "openai": Hint(
        title="OpenAI",
        setup="platform.openai.com → Settings → the project → Webhooks; the events are chosen"
        " there.",
        keys=secret("shown once, when the webhook is made: whsec_…"),
        own_test="the webhook's test event, or a response in background mode",
        body='{"type":"response.completed"}',
    ),
    "replicate": Hint(
        title="Replicate",
        setup="Give each prediction a `webhook` URL, and `webhook_events_filter` if you like.",
        keys=secret("GET https://api.replicate.com/v1/webhooks/default/secret gives it: whsec_…"),
        own_test="make a prediction",
        body='{"status":"succeeded"}',
        notes=("Its body has no type: `event_type_path: status` makes its status the type.",),
    ),
    "sentry": Hint(
        title="Sentry",
        setup="Settings → Developer Settings (Custom Integrations) → a new internal integration:"
        " Webhook URL, and the resources under Webhooks.",
        keys=secret("the integration's Client Secret, shown when it is saved."),
        own_test="cause an error, or resolve an issue",
        headers=("Sentry-Hook-Resource: issue",),
    ),
    "grafana": Hint(
        title="Grafana alerting",
        setup="Alerting → Contact points → Add contact point → integration Webhook. A"
        " notification policy says which alerts go there.",
        keys=secret(
            f"{OWN}, entered in the optional settings as HMAC signature → Secret. Older Grafana:"
            " as the Authorization header's credentials."
        ),
        own_test="the contact point's Test",
        body='{"status":"firing"}',
        notes=(
            (
                "Leave the HMAC's timestamp header empty: a signature that also covers a time is"
                " another scheme (`signature:`)."
            ),
            "Grafana may send by PUT: `methods: [POST, PUT]`.",
        ),
    ),
    "alertmanager": Hint(
        title="Prometheus Alertmanager",
        setup="alertmanager.yml → receivers → webhook_configs: url, and http_config:"
        " {authorization: {credentials: <secret>}}",
        keys=secret(f"{OWN}, {_BEARER}."),
        own_test="`amtool alert add test`, with amtool pointed at your Alertmanager",
        body='{"status":"firing"}',
        notes=("Every repeat of a notification is an event: Alertmanager has no delivery id.",),
    ),
    "pagerduty": Hint(
        title="PagerDuty",
        setup="Integrations → Generic Webhooks (v3) → New Webhook; scope and events are chosen"
        " there.",
        keys=secret("shown once, when the webhook is made."),
        own_test="the webhook's Send Test Event",
        body='{"event":{"event_type":"incident.triggered"}}',
    ),
    "okta": Hint(
        title="Okta",
        setup="Admin Console → Workflow → Event Hooks → Create Event Hook; the events are chosen"
        " there.",
        keys=secret(
            f"{OWN}, entered there as Authentication secret; its Authentication field is"
            " Authorization."
        ),
        own_test="the hook's Preview",
        body='{"data":{"events":[{"eventType":"user.session.start"}]}}',
        handshake="Verify sends a GET with X-Okta-Verification-Challenge, which is echoed.",
    ),
    "auth0": Hint(
        title="Auth0 log streams",
        setup="Dashboard → Monitoring → Streams → Create Stream → Custom Webhook. Content format"
        " JSON Array or JSON Object.",
        keys=secret(f"{OWN}, entered there as Authorization Token."),
        own_test="log in; the stream's Health tab tells the errors",
        body='[{"data":{"type":"s"}}]',
        notes=("JSON Lines are no JSON document: they need `body: any`.",),
    ),
    "azure-event-grid": Hint(
        title="Azure Event Grid",
        setup="The topic → Event Subscription → endpoint type Web Hook, with the token in the"
        " URL: https://<your host>/hooks/azure-event-grid?token=<token>. Or as delivery property"
        " Authorization, secret: Bearer <token>.",
        keys=secret(f"{OWN} of letters and digits."),
        own_test="publish an event to the topic",
        body='[{"eventType":"Test.Created"}]',
        handshake="Making the subscription sends a validation event (Event Grid schema) or an"
        " OPTIONS (CloudEvents); both are answered. Start dispatchd first.",
        notes=(
            "A delivery property is not sent with the validation; the token in the URL is.",
            "A batch is one event, with the event type of its first.",
        ),
    ),
    "plex": Hint(
        title="Plex",
        setup="Account settings → Webhooks → Add Webhook (Plex Pass). There is only a URL:"
        " https://<your host>/hooks/plex?token=<token>",
        keys=secret(f"{OWN} of letters and digits: the token in the URL."),
        own_test="play something",
        notes=("Plex sends a form, with its JSON in the field `payload`.",),
    ),
    "uptime-kuma": Hint(
        title="Uptime Kuma",
        setup="Settings → Notifications → Setup Notification → Webhook, request body JSON, and"
        ' Additional Headers {"Authorization": "Bearer <secret>"}',
        keys=secret(f"{OWN}, {_BEARER}."),
        own_test="the notification's Test",
        body='{"heartbeat":{"status":0}}',
        notes=("The event type is the status: 0 is down, 1 is up. A test has none.",),
    ),
    "home-assistant": Hint(
        title="Home Assistant",
        setup="configuration.yaml → rest_command: url, method post, content_type"
        ' application/json, a payload, and headers {Authorization: "Bearer <secret>"}; an'
        " automation calls it.",
        keys=secret(f"{OWN}, {_BEARER}."),
        own_test="Developer tools → Actions → the rest_command",
        body='{"event_type":"state_changed"}',
    ),
}
