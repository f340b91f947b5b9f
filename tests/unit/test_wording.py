"""What is said of an event without a template: title, link, a few fields, and what kind of news."""

from typing import Any

import orjson
import pytest
from nouns import an_event

from dispatchd.alert_kinds import ALERTS
from dispatchd.deliver.words import MessageCourier
from dispatchd.message import Kind, Message
from dispatchd.wording import Wording
from dispatchd.wording.wording import BY_PROVIDER


def said(
    document: Any, event_type: str | None = None, provider: str = "generic", **changes: Any
) -> Message:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    event = an_event(body=body, event_type=event_type, **changes)
    return MessageCourier(None, Wording({"my-slug": provider})).message(event, None)  # type: ignore[arg-type]


def facts(message: Message) -> dict[str, str]:
    return {field.name: field.value for field in message.fields}


REPOSITORY = {"full_name": "octo/repo", "html_url": "https://github.com/octo/repo"}


def github(event_type: str, **document: Any) -> Message:
    document = {"repository": REPOSITORY, "sender": {"login": "octocat"}, **document}
    return said(document, event_type, "github")


ISSUE = {"number": 7, "title": "It breaks", "body": "Badly.", "html_url": "https://github.com/i/7"}
PULL = {**ISSUE, "head": {"ref": "fix"}, "base": {"ref": "main"}, "merged": True}
GITHUB = [
    ("issues", {"action": "opened", "issue": ISSUE}, "issue #7 opened: It breaks", Kind.INFO),
    ("issues", {"action": "closed", "issue": ISSUE}, "issue #7 closed: It breaks", Kind.SUCCESS),
    (
        "pull_request",
        {"action": "closed", "pull_request": PULL},
        "pull request #7 merged: It breaks",
        Kind.SUCCESS,
    ),
    (
        "issue_comment",
        {"action": "created", "issue": {**ISSUE, "pull_request": {}}, "comment": {"body": "+1"}},
        "comment created on pull request #7: It breaks",
        Kind.INFO,
    ),
    (
        "pull_request_review",
        {"action": "submitted", "pull_request": PULL, "review": {"state": "changes_requested"}},
        "changes requested on pull request #7: It breaks",
        Kind.WARNING,
    ),
    (
        "workflow_run",
        {"action": "completed", "workflow_run": {"name": "CI", "conclusion": "failure"}},
        "CI failure",
        Kind.FAILURE,
    ),
    (
        "push",
        {
            "ref": "refs/heads/main",
            "commits": [{"id": "a" * 40, "message": "One\n\nmore"}],
            "pusher": {"name": "octocat"},
        },
        "1 commit pushed to main",
        Kind.INFO,
    ),
    ("push", {"ref": "refs/heads/x", "deleted": True}, "x deleted", Kind.WARNING),
    (
        "release",
        {"action": "published", "release": {"name": "v1", "tag_name": "v1"}},
        "release v1 published",
        Kind.SUCCESS,
    ),
    (
        "deployment_status",
        {"deployment_status": {"state": "failure", "environment": "prod"}},
        "deployment to prod failure",
        Kind.FAILURE,
    ),
    ("create", {"ref_type": "tag", "ref": "v1"}, "tag v1 created", Kind.INFO),
    ("dependabot_alert", {"action": "created"}, "dependabot alert created", Kind.FAILURE),
    ("star", {"action": "created"}, "star created", Kind.INFO),
]


@pytest.mark.parametrize(("event_type", "document", "title", "kind"), GITHUB)
def test_github(event_type: str, document: dict[str, Any], title: str, kind: Kind) -> None:
    message = github(event_type, **document)
    assert (message.title, message.kind) == (f"octo/repo: {title}", kind)
    assert message.footer == f"my-slug · {event_type}"


def test_github_in_full() -> None:
    message = github("pull_request", action="opened", pull_request=PULL)
    assert message.description == "Badly."
    assert message.url == "https://github.com/i/7"
    assert facts(message) == {"By": "octocat", "Branch": "fix → main"}
    push = github("push", ref="refs/heads/main", commits=[{"id": "abcdef1234", "message": "Fix"}])
    assert push.description == "abcdef1 Fix"


def gitlab(kind: str, **document: Any) -> Message:
    project = {"path_with_namespace": "group/app", "web_url": "https://gitlab.com/group/app"}
    return said({"object_kind": kind, "project": project, **document})


GITLAB = [
    (
        "merge_request",
        {"object_attributes": {"iid": 3, "title": "Fix", "action": "merge"}},
        "merge request !3 merged: Fix",
        Kind.SUCCESS,
    ),
    (
        "issue",
        {"object_attributes": {"iid": 4, "title": "Bug", "action": "open"}},
        "issue #4 opened: Bug",
        Kind.INFO,
    ),
    (
        "pipeline",
        {"object_attributes": {"id": 9, "status": "failed", "ref": "main"}},
        "pipeline #9 failed",
        Kind.FAILURE,
    ),
    ("build", {"build_name": "test", "build_status": "success"}, "job test success", Kind.SUCCESS),
    (
        "push",
        {"ref": "refs/heads/main", "total_commits_count": 21, "commits": []},
        "21 commits pushed to main",
        Kind.INFO,
    ),
    ("tag_push", {"ref": "refs/tags/v1"}, "tag v1 pushed", Kind.INFO),
    ("push", {"ref": "refs/heads/x", "after": "0" * 40}, "branch x deleted", Kind.WARNING),
    ("emoji", {}, "emoji", Kind.INFO),
]


@pytest.mark.parametrize(("kind", "document", "title", "news"), GITLAB)
def test_gitlab(kind: str, document: dict[str, Any], title: str, news: Kind) -> None:
    message = gitlab(kind, **document)
    assert (message.title, message.kind) == (f"group/app: {title}", news)


@pytest.mark.parametrize(
    ("kind", "about", "title", "news"),
    [
        (
            "charge.failed",
            {"amount": 1999, "currency": "usd"},
            "Charge failed: 19.99 USD",
            Kind.FAILURE,
        ),
        (
            "invoice.paid",
            {"amount_paid": 500, "currency": "jpy"},
            "Invoice paid: 500 JPY",
            Kind.SUCCESS,
        ),
        (
            "invoice.payment_failed",
            {"amount_due": 1, "currency": "kwd"},
            "Invoice payment failed: 0.001 KWD",
            Kind.FAILURE,
        ),
        (
            "charge.dispute.created",
            {"amount": 1, "currency": "eur"},
            "Charge dispute created: 0.01 EUR",
            Kind.FAILURE,
        ),
        ("customer.created", {"email": "a@b.c"}, "Customer created", Kind.INFO),
        ("x.y", {"amount": True, "currency": "usd"}, "X y", Kind.INFO),
    ],
)
def test_stripe(kind: str, about: dict[str, Any], title: str, news: Kind) -> None:
    document = {"object": "event", "id": "evt_1", "type": kind, "livemode": False}
    message = said({**document, "data": {"object": about}})
    assert (message.title, message.kind) == (title, news)
    assert message.url == "https://dashboard.stripe.com/test/events/evt_1"


ALERT = {
    "status": "firing",
    "labels": {"alertname": "HighLoad", "severity": "critical", "instance": "db1"},
    "annotations": {"summary": "Load is 9"},
    "generatorURL": "https://prom.example.com/graph",
}


def test_alertmanager() -> None:
    group = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "ops"}
    labels = {"alertname": "HighLoad", "severity": "critical", "cluster": "a"}
    document = {**group, "commonLabels": labels, "alerts": [ALERT, {**ALERT, "status": "resolved"}]}
    message = said(document)
    assert (message.title, message.kind) == ("Firing: HighLoad", Kind.FAILURE)
    assert message.description == "• Load is 9 (db1)"
    assert message.url == "https://prom.example.com/graph"
    told = facts(message)
    assert told["Severity"] == "critical"
    assert (told["Alerts"], told["cluster"]) == ("1 firing, 1 resolved", "a")
    resolved = said({**document, "status": "resolved"})
    assert (resolved.title, resolved.kind) == ("Resolved: HighLoad", Kind.SUCCESS)
    warned = {**labels, "severity": "warning"}
    assert said({**document, "commonLabels": warned}).kind is Kind.WARNING


def test_grafana() -> None:
    document = {"orgId": 1, "title": "[FIRING:1] HighLoad", "status": "firing", "alerts": [ALERT]}
    message = said(document)
    assert (message.title, message.kind) == ("[FIRING:1] HighLoad", Kind.FAILURE)
    old = {"orgId": 1, "ruleName": "Load", "state": "ok", "ruleUrl": "https://g.example.com/d"}
    message = said({**old, "evalMatches": [{"metric": "load", "value": 0.5}]})
    assert (message.title, message.kind, message.url) == ("Load", Kind.SUCCESS, old["ruleUrl"])
    assert facts(message) == {"State": "ok", "load": "0.5"}


def test_sentry() -> None:
    issue = {
        "title": "ZeroDivisionError: division by zero",
        "level": "error",
        "culprit": "app.views.index",
        "project": {"slug": "web"},
        "web_url": "https://sentry.example.com/issues/1",
    }
    document = {"action": "created", "installation": {"uuid": "u"}, "data": {"issue": issue}}
    message = said(document)
    assert message.title == "web: ZeroDivisionError: division by zero"
    assert (message.description, message.kind) == ("app.views.index", Kind.FAILURE)
    assert said({**document, "action": "resolved"}).kind is Kind.SUCCESS
    data = {"metric_alert": {"alert_rule": {"name": "p95"}}, "description_title": "p95 is high"}
    message = said({"action": "critical", "installation": {"uuid": "u"}, "data": data})
    assert (message.title, message.kind) == ("p95 is high", Kind.FAILURE)


def test_anything_else() -> None:
    message = said(
        {
            "title": "Backup of db1",
            "status": "failed",
            "message": "disk full",
            "url": "https://example.com/b",
            "took_s": 12.5,
            "dry": False,
            "nothing": None,
            "deep": {"x": 1},
        },
        "backup.done",
    )
    assert (message.title, message.kind) == ("Backup of db1", Kind.FAILURE)
    assert (message.description, message.url) == ("disk full", "https://example.com/b")
    assert facts(message) == {"Status": "failed", "Took s": "12.5", "Dry": "no"}
    assert said({"a": 1}, "order_created").title == "Order created at my-slug"
    assert said({"a": 1}).title == "Event at my-slug"
    assert said({"type": "order.created", "id": 7}).title == "Order created at my-slug"


@pytest.mark.parametrize(
    "name", ["token", "Signature", "client_secret", "apiKey", "password", "X-Session", "api_key"]
)
def test_what_proves_a_sender_is_not_read_out(name: str) -> None:
    assert facts(said({name: "hunter2", "n": 1})) == {"N": "1"}


@pytest.mark.parametrize(
    ("body", "content_type", "description"),
    [
        (b"hello\nworld", "text/plain", "hello\nworld"),
        (b"\xff" * 2048, "image/png", "2.0 KiB of image/png"),
        (b"[1,2]", "application/json", "a list of 2"),
        (b'"said"', "application/json", "said"),
        (b"[[" * 200_000, "application/json", "390.6 KiB of application/json"),
        (b"", "", "0 bytes of unknown type"),
    ],
)
def test_what_is_no_object(body: bytes, content_type: str, description: str) -> None:
    message = said(body, content_type=content_type)
    assert (message.title, message.description) == ("Event at my-slug", description)


def test_a_form_is_read_as_its_fields() -> None:
    form = "application/x-www-form-urlencoded"
    message = said(b"title=Hello&n=1", content_type=form)
    assert (message.title, facts(message)) == ("Hello", {"N": "1"})


def test_github_is_known_by_its_header_too() -> None:
    headers = (("X-GitHub-Event", "star"),)
    message = said({"repository": REPOSITORY}, "star", headers=headers)
    assert message.title == "octo/repo: star"


@pytest.mark.parametrize("provider", ["gitea", "forgejo", "gogs"])
def test_who_took_githubs_bodies_over_has_githubs_words(provider: str) -> None:
    issue = {"number": 3, "title": "It breaks", "html_url": "https://git.example.com/o/r/issues/3"}
    document = {"action": "opened", "issue": issue, "repository": REPOSITORY}
    message = said(document, "issues", provider)
    assert message.title == "octo/repo: issue #3 opened: It breaks"


@pytest.mark.parametrize("provider", ["grafana", "alertmanager"])
def test_alerts_are_known_by_the_provider_where_nothing_else_tells(provider: str) -> None:
    message = said({"status": "firing", "alerts": [ALERT]}, "firing", provider)
    assert (message.title, message.kind) == ("Firing: HighLoad", Kind.FAILURE)


@pytest.mark.parametrize("provider", list(BY_PROVIDER))
def test_what_is_none_of_its_senders_is_worded_as_anything_else(provider: str) -> None:
    message = said({"title": "Hello", "n": 1}, "issues", provider)
    assert (message.title, facts(message)) == ("Hello", {"N": "1"})


def test_an_alert_is_said_with_what_to_do() -> None:
    body = {
        "kind": "lane_held",
        "destination": "crm",
        "severity": "failure",
        "title": "crm is held",
        "description": "Nothing is sent to crm: paused.",
        "count": 3,
        "since": "2026-01-31T12:00:00.000Z",
        "advice": "dispatchd resume crm",
        "fields": [{"name": "Why", "value": "paused"}],
    }
    message = said(body, "dispatchd.alert.lane_held", endpoint=ALERTS)
    assert (message.title, message.kind) == ("crm is held", Kind.FAILURE)
    assert message.description == "Nothing is sent to crm: paused."
    assert facts(message) == {
        "Why": "paused",
        "Times": "3",
        "Since": "2026-01-31T12:00:00.000Z",
        "What to do": "dispatchd resume crm",
    }
