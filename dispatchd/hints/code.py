"""Where code, issues and builds live."""

from typing import Final

from dispatchd.hints.hint import OWN, Hint, Key, secret

_FORGE_SETUP: Final = (
    "Repository (or organization) → Settings → Webhooks → Add Webhook → {}. The content type"
    " is application/json; the events are chosen below it."
)
_FORGE_TEST: Final = "the webhook's page → Test Delivery"
_APP_PROOF: Final = (
    "of an app, a JSON Web Token (HS256) in Authorization by the app's shared secret; it covers"
    " the sender and the time, and of Connect the URL, but not the body"
)

HINTS: Final[dict[str, Hint]] = {
    "generic": Hint(
        title="a sender of your own",
        setup="Have it send `sha256=` and the hex HMAC-SHA256 of the body in either header.",
        keys=secret(f"{OWN}, which the sender signs with."),
        own_test="",
        headers=("X-Event-Type: opened",),
        notes=(
            (
                "A redelivery is answered 409 here; with `on_duplicate: accept` it is 202. For"
                " another scheme write `signature:` in place of the provider."
            ),
        ),
    ),
    "github": Hint(
        title="GitHub",
        setup="Repository or organization → Settings → Webhooks → Add webhook. Either content"
        " type will do; the events are chosen at the bottom.",
        keys=secret(f"{OWN}, entered there as Secret."),
        own_test="saving sends a ping; the webhook's Recent Deliveries → Redeliver",
        headers=("X-GitHub-Event: push",),
    ),
    "gitlab": Hint(
        title="GitLab",
        setup="Project or group → Settings → Webhooks → Add new webhook; the triggers are"
        " ticked there.",
        keys=secret(
            "the Secret token entered there (a text of your own making), or the Signing token"
            " (whsec_…) where your GitLab has it."
        ),
        own_test="the webhook's Test menu",
        headers=("X-Gitlab-Event: Push Hook",),
        notes=("Prefer the signing token: the secret token travels as it is, and signs nothing.",),
    ),
    "bitbucket": Hint(
        title="Bitbucket",
        setup="Repository settings → Webhooks → Add webhook; the triggers are ticked there.",
        keys=secret(f"{OWN}, entered there as Secret."),
        own_test="make a push; the webhook's View requests shows what came of it",
        headers=("X-Event-Key: repo:push",),
    ),
    "linear": Hint(
        title="Linear",
        setup="Settings → API → Webhooks → New webhook; the data change events are ticked there.",
        keys=secret("the webhook's Signing secret, shown on its page."),
        own_test="change an issue of a team that the webhook covers",
    ),
    "jira": Hint(
        title="Jira",
        setup="Jira settings → System → WebHooks → Create a WebHook; events and a JQL filter"
        " are chosen there.",
        keys=secret(
            "the Secret entered or generated there; for an app the shared secret of its"
            " installation."
        ),
        own_test="change an issue that the JQL filter takes",
        body='{"webhookEvent":"jira:issue_updated"}',
        proof=_APP_PROOF,
        notes=("An app's tokens (Connect) cover the URL: give `url` as well.",),
    ),
    "confluence": Hint(
        title="Confluence",
        setup="Where your edition has webhooks (Data Center, or an app's descriptor in Cloud);"
        " the events are chosen there.",
        keys=secret("the webhook's Secret; for an app the shared secret of its installation."),
        own_test="change a page",
        headers=("X-Atlassian-Webhook-Identifier: test-1",),
        body='{"webhookEvent":"page_updated"}',
        proof=_APP_PROOF,
        notes=("An app's tokens (Connect) cover the URL: give `url` as well.",),
    ),
    "gitea": Hint(
        title="Gitea",
        setup=_FORGE_SETUP.format("Gitea"),
        keys=secret(f"{OWN}, entered there as Secret."),
        own_test=_FORGE_TEST,
        headers=("X-Gitea-Event: push",),
        notes=("On one machine or a private network Gitea wants the host in ALLOWED_HOST_LIST.",),
    ),
    "forgejo": Hint(
        title="Forgejo",
        setup=_FORGE_SETUP.format("Forgejo"),
        keys=secret(f"{OWN}, entered there as Secret."),
        own_test=_FORGE_TEST,
        headers=("X-Forgejo-Event: push",),
        notes=("On one machine or a private network Forgejo wants the host in ALLOWED_HOST_LIST.",),
    ),
    "gogs": Hint(
        title="Gogs",
        setup=_FORGE_SETUP.format("Gogs"),
        keys=secret(f"{OWN}, entered there as Secret."),
        own_test=_FORGE_TEST,
        headers=("X-Gogs-Event: push",),
    ),
    "vercel": Hint(
        title="Vercel",
        setup="Team Settings → Webhooks; events and projects are chosen there.",
        keys=secret(
            "shown once, when the webhook is made; of an integration's webhook it is the"
            " integration's client secret."
        ),
        own_test="make a deployment",
        body='{"type":"deployment.created"}',
    ),
    "docker-hub": Hint(
        title="Docker Hub",
        setup="Repository → Webhooks. There is a name and a URL, so put the token into the URL:"
        " https://<your host>/hooks/docker-hub?token=<token>",
        keys=secret(f"{OWN} of letters and digits: the token in the URL."),
        own_test="push a tag",
        notes=("Docker Hub signs nothing, and names neither an event type nor a delivery.",),
    ),
    "trello": Hint(
        title="Trello",
        setup="Webhooks are made over the API: POST https://api.trello.com/1/webhooks with"
        " callbackURL and idModel (a board, a card, a member).",
        keys=(
            Key("secret", "trello.com/power-ups/admin → your app → API key → Secret."),
            Key("url", "the callbackURL, letter for letter: it is signed."),
        ),
        own_test="move a card",
        body='{"action":{"type":"updateCard"}}',
        handshake="Trello asks by HEAD whether the URL is there before it makes the webhook.",
    ),
    "notion": Hint(
        title="Notion",
        setup="Your integration's settings → Webhooks → Create a subscription; the event types"
        " are ticked there.",
        keys=secret(
            "any text at first. Then read `handshake_token` in dispatchd's log, enter that in"
            " Notion under Verify, put it here and restart."
        ),
        own_test="change a page that the integration is connected to",
        body='{"type":"page.content_updated"}',
        handshake="The first POST is unsigned and brings the verification token, which the log"
        " shows once.",
    ),
    "webflow": Hint(
        title="Webflow",
        setup="Site settings → Apps & integrations → Webhooks, or the API; one trigger type each.",
        keys=secret(
            "of a webhook made in the settings the key shown with it; of one that an OAuth app"
            " made over the API the app's client secret."
        ),
        own_test="submit a form, or publish the site",
        body='{"triggerType":"form_submission"}',
    ),
}
