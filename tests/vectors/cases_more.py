"""The cases of the providers that are a row and no more: one table, signed with OpenSSL."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from recipe import NEW, OLD, WRONG, Vectors, hmac_provider
from signers import NOW_S, b64, mac

URL = "https://hooks.example.com/hooks/a"
Sign = Callable[[str, str, int], list]


def iso(at_s: int) -> str:
    return dt.datetime.fromtimestamp(at_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def over(header: str, message: str, **how) -> Sign:
    """Return a signer of a message with {t}, {body} and {url} in it; `how` says the rest."""
    algorithm, encoding = how.get("algorithm", "sha256"), how.get("encoding", "hex")
    stamp, spelled = how.get("stamp"), how.get("spelled", str)
    value = how.get("value", how.get("prefix", "") + "{sig}")

    def sign(secret: str, body: str, at_s: int) -> list:
        t = spelled(at_s)
        text = message.replace("{t}", t).replace("{url}", URL).replace("{body}", body)
        digest = mac(secret, text.encode(), algorithm)
        sig = digest.hex() if encoding == "hex" else b64(digest)
        stamps = [[stamp, t]] if stamp else []
        return [[header, value.replace("{t}", t).replace("{sig}", sig)], *stamps]

    return sign


def millis(at_s: int) -> str:
    return str(at_s * 1000)


@dataclass(frozen=True)
class Row:
    """One provider: how it signs, and a body as it sends them."""

    sign: Sign
    body: str
    header: str
    encoding: str = "hex"
    prefix: str = ""
    extra: list = field(default_factory=list)
    timestamp: str = ""
    timed: bool = False
    id_header: str = ""
    auth: dict = field(default_factory=dict)
    event_type: str | None = None
    delivery_id: str | None = None


def plain(header: str, body: str, event: str | None, delivery: str | None, **how) -> Row:
    """Return the row of an HMAC over the body alone."""
    extra = how.pop("extra", [])
    return Row(
        over(header, "{body}", **how),
        body,
        header,
        how.get("encoding", "hex"),
        how.get("prefix", ""),
        extra,
        event_type=event,
        delivery_id=delivery,
    )


def forge(name: str) -> Row:
    extra = [[f"X-{name}-Event", "push"], [f"X-{name}-Delivery", "f6266f16-1bf3-46a5-9ea4"]]
    body = '{"ref":"refs/heads/main","commits":[],"repository":{"full_name":"a/b"}}'
    return plain(f"X-{name}-Signature", body, "push", extra[1][1], extra=extra)


TWITCH_ID = "e76c6bd4-55c9-4987-8304-da1588d8988b"
ROWS = {
    "gitea": forge("Gitea"),
    "forgejo": forge("Forgejo"),
    "gogs": forge("Gogs"),
    "vercel": plain(
        "x-vercel-signature",
        '{"id":"uev_8W1","type":"deployment.succeeded","payload":{"target":"production"}}',
        "deployment.succeeded",
        "uev_8W1",
        algorithm="sha1",
    ),
    "trello": Row(
        over("X-Trello-Webhook", "{body}{url}", algorithm="sha1", encoding="base64"),
        '{"action":{"id":"51f9424bcd6e040f3c002412","type":"updateCard"},"model":{"name":"B"}}',
        "X-Trello-Webhook",
        "base64",
        auth={"url": URL},
        event_type="updateCard",
        delivery_id="51f9424bcd6e040f3c002412",
    ),
    "notion": plain(
        "X-Notion-Signature",
        '{"id":"367cba44-b6f3-4c92-81e7","type":"page.created","attempt_number":1}',
        "page.created",
        "367cba44-b6f3-4c92-81e7",
        prefix="sha256=",
    ),
    "webflow": Row(
        over("X-Webflow-Signature", "{t}:{body}", stamp="X-Webflow-Timestamp", spelled=millis),
        '{"triggerType":"form_submission","payload":{"name":"Contact"}}',
        "X-Webflow-Signature",
        timestamp="X-Webflow-Timestamp",
        event_type="form_submission",
    ),
    "woocommerce": plain(
        "X-WC-Webhook-Signature",
        '{"id":727,"status":"processing","total":"29.35"}',
        "order.created",
        "9f4b1a6d2d9c",
        encoding="base64",
        extra=[
            ["X-WC-Webhook-Topic", "order.created"],
            ["X-WC-Webhook-Delivery-ID", "9f4b1a6d2d9c"],
        ],
    ),
    "paddle": Row(
        over("Paddle-Signature", "{t}:{body}", value="ts={t};h1={sig}"),
        '{"event_id":"evt_01h8bzakzx3hm2","event_type":"transaction.completed","data":{}}',
        "Paddle-Signature",
        prefix=f"ts={NOW_S};h1=",
        timed=True,
        event_type="transaction.completed",
        delivery_id="evt_01h8bzakzx3hm2",
    ),
    "razorpay": plain(
        "X-Razorpay-Signature",
        '{"entity":"event","event":"payment.captured","contains":["payment"]}',
        "payment.captured",
        "Ek0pJ8VtbdnbQZ",
        extra=[["X-Razorpay-Event-Id", "Ek0pJ8VtbdnbQZ"]],
    ),
    "twitch": Row(
        over(
            "Twitch-Eventsub-Message-Signature",
            TWITCH_ID + "{t}{body}",
            prefix="sha256=",
            stamp="Twitch-Eventsub-Message-Timestamp",
            spelled=lambda at_s: iso(at_s).replace("Z", ".000000000Z"),
        ),
        '{"subscription":{"type":"channel.follow"},"event":{"user_name":"cool_user"}}',
        "Twitch-Eventsub-Message-Signature",
        prefix="sha256=",
        extra=[
            ["Twitch-Eventsub-Message-Id", TWITCH_ID],
            ["Twitch-Eventsub-Message-Type", "notification"],
            ["Twitch-Eventsub-Subscription-Type", "channel.follow"],
        ],
        id_header="Twitch-Eventsub-Message-Id",
        event_type="channel.follow",
        delivery_id=TWITCH_ID,
    ),
    "intercom": plain(
        "X-Hub-Signature",
        '{"type":"notification_event","id":"notif_ccd8a4d0","topic":"user.created"}',
        "user.created",
        "notif_ccd8a4d0",
        algorithm="sha1",
        prefix="sha1=",
    ),
    "zendesk": Row(
        over(
            "X-Zendesk-Webhook-Signature",
            "{t}{body}",
            encoding="base64",
            stamp="X-Zendesk-Webhook-Signature-Timestamp",
            spelled=iso,
        ),
        '{"type":"zen:event-type:ticket.status_changed","id":"cbe4028c","event":{}}',
        "X-Zendesk-Webhook-Signature",
        "base64",
        extra=[["X-Zendesk-Webhook-Invocation-Id", "01G0ZG1ZDKAJ9CV8"]],
        timestamp="X-Zendesk-Webhook-Signature-Timestamp",
        event_type="zen:event-type:ticket.status_changed",
        delivery_id="01G0ZG1ZDKAJ9CV8",
    ),
    "elevenlabs": Row(
        over("ElevenLabs-Signature", "{t}.{body}", value="t={t},v0={sig}"),
        '{"type":"post_call_transcription","data":{"agent_id":"x"}}',
        "ElevenLabs-Signature",
        prefix=f"t={NOW_S},v0=",
        timed=True,
        event_type="post_call_transcription",
    ),
    "calendly": Row(
        over("Calendly-Webhook-Signature", "{t}.{body}", value="t={t},v1={sig}"),
        '{"event":"invitee.created","payload":{"email":"a@example.com"}}',
        "Calendly-Webhook-Signature",
        prefix=f"t={NOW_S},v1=",
        timed=True,
        event_type="invitee.created",
    ),
    "hubspot": Row(
        over(
            "X-HubSpot-Signature-v3",
            "POST{url}{body}{t}",
            encoding="base64",
            stamp="X-HubSpot-Request-Timestamp",
            spelled=millis,
        ),
        '[{"eventId":1,"subscriptionType":"contact.creation","objectId":123}]',
        "X-HubSpot-Signature-v3",
        "base64",
        timestamp="X-HubSpot-Request-Timestamp",
        auth={"url": URL},
        event_type="contact.creation",
    ),
    "docusign": plain(
        "X-DocuSign-Signature-1",
        '{"event":"envelope-completed","data":{"envelopeId":"be3a2b0c"}}',
        "envelope-completed",
        None,
        encoding="base64",
    ),
    "typeform": plain(
        "Typeform-Signature",
        '{"event_id":"LtWXD3crgy","event_type":"form_response","form_response":{}}',
        "form_response",
        "LtWXD3crgy",
        encoding="base64",
        prefix="sha256=",
    ),
    "sentry": plain(
        "Sentry-Hook-Signature",
        '{"action":"created","data":{"issue":{"id":"1"}}}',
        "issue.created",
        "8f1c",
        extra=[["Sentry-Hook-Resource", "issue"], ["Request-ID", "8f1c"]],
    ),
    "grafana": plain(
        "X-Grafana-Alerting-Signature",
        '{"receiver":"hook","status":"firing","alerts":[]}',
        "firing",
        None,
    ),
    "pagerduty": plain(
        "X-PagerDuty-Signature",
        '{"event":{"id":"5ac64822","event_type":"incident.triggered"}}',
        "incident.triggered",
        "5ac64822",
        prefix="v1=",
    ),
    "dropbox": plain(
        "X-Dropbox-Signature", '{"list_folder":{"accounts":["dbid:AAH4"]}}', None, None
    ),
}


def made(name: str, row: Row) -> Vectors:
    """Make the cases of one row."""
    body = row.body if row.body.endswith("}") else row.body[:-1].rstrip("}") + "}"
    wrapped = row.body.startswith("[")
    vectors = hmac_provider(
        name,
        "OpenSSL HMAC",
        row.sign,
        header=row.header,
        encoding=row.encoding,
        prefix=row.prefix,
        body=body[1:] if wrapped else body,
        extra=row.extra,
        timestamp=row.timestamp,
        timed=row.timed or bool(row.id_header),
        id_header=row.id_header,
        auth=row.auth,
        expect={"by": f"{name}[0]"}
        | ({} if wrapped else {"event_type": row.event_type, "delivery_id": row.delivery_id}),
    )
    if name == "pagerduty":  # of its list one signature is enough, whatever else is in it
        for entry in vectors.document["mutations"]:
            entry["by"] = [[*way, "list"] if way[0] == "signature" else way for way in entry["by"]]
    if wrapped:
        right = {"headers": row.sign(NEW, row.body, NOW_S) + row.extra, "body": row.body}
        told = {"event_type": row.event_type, "delivery_id": row.delivery_id}
        vectors.add("a batch", right, ok=True, **told)
    more = {
        "docusign": _second_signature,
        "pagerduty": _second_signature,
        "calendly": _second_signature,
    }.get(name)
    if more is not None:
        more(vectors, row, body)
    return vectors


def _second_signature(vectors: Vectors, row: Row, body: str) -> None:
    """Two signatures, of which one is ours, or one cannot be read."""
    ours, other = row.sign(OLD, body, NOW_S)[0][1], row.sign(WRONG, body, NOW_S)[0][1]
    if row.header.endswith("-1"):
        pairs = {
            "the second of two headers is ours": (other, ours),
            "one header of two cannot be read": ("???", ours),
        }
        for name, (first, second) in pairs.items():
            headers = [[row.header, first], [row.header[:-1] + "2", second]]
            vectors.add(name, {"headers": headers, "body": body}, ok=True)
        headers = [[row.header, "???"], [row.header[:-1] + "2", "!!!"]]
        vectors.add("no header of two can be read", {"headers": headers, "body": body}, ok=False)
        return
    signature = ours.rpartition("=")[2]
    version = ours.rpartition("=")[0].rpartition(",")[2]
    for name, listed, ok in (
        ("the second of a list is ours", f"{other},{version}={signature}", True),
        ("one of a list cannot be read", f"{ours},{version}=nothex", True),
        ("none of a list can be read", ours.replace(signature, f"zz,{version}=nothex"), False),
    ):
        vectors.add(name, {"headers": [[row.header, listed]], "body": body}, ok=ok)


MORE = tuple(lambda name=name, row=row: made(name, row) for name, row in ROWS.items())
