"""Where code, issues and builds live.

Schemes are listed strongest first: the first one whose signature is present and whose key is
configured decides.
"""

from typing import Final

from dispatchd.verify import greetings
from dispatchd.verify.jwt_spec import BodyHash, JwtSpec
from dispatchd.verify.places import field, header, joined, signed_by
from dispatchd.verify.provider import HUB_256, Provider, standard, tokens
from dispatchd.verify.scheme import Scheme

ROWS: Final[dict[str, Provider]] = {
    "generic": Provider(
        schemes=(
            Scheme("dispatch", header="X-Dispatch-Signature", prefix="sha256="),
            Scheme("github", header=HUB_256, prefix="sha256="),
        ),
        needs=frozenset(),
        every=True,
    ),
    "github": Provider(  # its older X-Hub-Signature is SHA-1 and never looked at
        schemes=(Scheme("github", header=HUB_256, prefix="sha256="),),
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
    "linear": Provider(
        schemes=(
            Scheme(
                "linear",
                header="Linear-Signature",
                timestamp_path="webhookTimestamp",
                timestamp_unit="ms",
            ),
        ),
        event_type=joined(".", field("type"), field("action")),
        delivery_id=header("Linear-Delivery"),
    ),
    "jira": Provider(
        schemes=(Scheme("jira", header="X-Hub-Signature", prefix="sha256="),),
        coded=("atlassian",),
        event_type=field("webhookEvent"),
        delivery_id=header("X-Atlassian-Webhook-Identifier"),
    ),
    # Gitea's own header; it sends GitHub's and Gogs' too, which are not looked at.
    "gitea": Provider(
        schemes=(Scheme("gitea", header="X-Gitea-Signature"),),
        event_type=header("X-Gitea-Event"),
        delivery_id=header("X-Gitea-Delivery"),
    ),
    "forgejo": Provider(
        schemes=(Scheme("forgejo", header="X-Forgejo-Signature"),),
        event_type=header("X-Forgejo-Event"),
        delivery_id=header("X-Forgejo-Delivery"),
    ),
    "gogs": Provider(
        schemes=(Scheme("gogs", header="X-Gogs-Signature"),),
        event_type=header("X-Gogs-Event"),
        delivery_id=header("X-Gogs-Delivery"),
    ),
    "vercel": Provider(
        schemes=(Scheme("vercel", header="x-vercel-signature", algorithm="sha1"),),
        event_type=field("type"),
        delivery_id=field("id"),
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
    "docker-hub": Provider(schemes=tokens("docker-hub")),
    "trello": Provider(
        schemes=(
            Scheme(
                "trello",
                header="X-Trello-Webhook",
                algorithm="sha1",
                encoding="base64",
                template="{body}{url}",
            ),
        ),
        also=frozenset({"url"}),
        event_type=field("action.type"),
        delivery_id=field("action.id"),
        handshake=greetings.head,
    ),
    "notion": Provider(
        schemes=(Scheme("notion", header="X-Notion-Signature", prefix="sha256="),),
        event_type=field("type"),
        delivery_id=field("id"),
        handshake=greetings.notion,
    ),
    "webflow": Provider(
        schemes=(
            Scheme(
                "webflow",
                header="X-Webflow-Signature",
                timestamp_header="X-Webflow-Timestamp",
                timestamp_unit="ms",
                template="{timestamp}:{body}",
            ),
        ),
        event_type=field("triggerType"),
    ),
}
