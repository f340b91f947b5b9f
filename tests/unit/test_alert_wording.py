"""What an alert says: JSON that any kind of destination can make a message of."""

import json

import pytest
from alerts import SPEC
from nouns import NOW_MS

from dispatchd.alert.wording import Occasion, alert_body, alert_event, check_body, spell_rate
from dispatchd.alert_kinds import AlertKind
from dispatchd.limits import read_rate
from dispatchd.model import ErrorClass
from dispatchd.store.alerts import AlertNote, LaneTotals, LastFailure, Waiting


def said(kind: AlertKind, subject: str = "crm", pending: int = 1, **known) -> dict:
    mark = NOW_MS - 7_200_000 if kind is AlertKind.QUIET else 0
    note = AlertNote("ops", kind, subject, mark, pending=pending, since_ms=NOW_MS - 1000)
    return json.loads(alert_body(Occasion(SPEC, note, NOW_MS, waiting_bound=100_000, **known)))


FAILURE = LastFailure(ErrorClass.HTTP, 500, "no")


@pytest.mark.parametrize(
    ("kind", "subject", "known", "title", "advice"),
    [
        (
            AlertKind.DELIVERY_FAILED,
            "crm",
            {"failure": FAILURE},
            "1 delivery to crm failed for good",
            "dispatchd replay --failed --destination crm",
        ),
        (AlertKind.ALERT_FAILED, "crm", {}, "Alerts to crm fail", "dispatchd alerts test crm"),
        (AlertKind.LANE_HELD, "crm", {}, "crm was held", "dispatchd resume crm"),
        (
            AlertKind.LANE_HELD,
            "crm",
            {"totals": LaneTotals(held_because="gone: it answered 410")},
            "crm is held",
            "dispatchd resume crm",
        ),
        (AlertKind.LANE_RECOVERED, "crm", {}, "crm is open again", "dispatchd destinations"),
        (
            AlertKind.BACKLOG,
            "crm",
            {"waiting": Waiting(1200, NOW_MS - 60_000)},
            "1,200 deliveries wait for crm",
            "dispatchd destinations",
        ),
        (
            AlertKind.SOURCE_ERRORS,
            "my-slug",
            {},
            "my-slug refuses webhooks",
            "dispatchd explain my-slug",
        ),
        (
            AlertKind.DISK_LOW,
            "",
            {"free_bytes": 900},
            "The disk of the database has 900 B left",
            "dispatchd prune --older-than 7d",
        ),
        (
            AlertKind.STORAGE_FAULT,
            "",
            {"fault": "the database is locked"},
            "Storage failed, and works again",
            "dispatchd stats",
        ),
        (
            AlertKind.QUIET,
            "my-slug",
            {},
            "my-slug is quiet",
            "dispatchd events --endpoint my-slug",
        ),
    ],
)
def test_each_kind_says_what_happened_and_what_to_do(kind, subject, known, title, advice):
    body = said(kind, subject, **known)
    assert (body["kind"], body["title"], body["advice"]) == (kind, title, advice)
    slugs = (AlertKind.SOURCE_ERRORS, AlertKind.QUIET)
    about = {"endpoint": "my-slug"} if kind in slugs else {"destination": "crm"} if subject else {}
    assert {key: body[key] for key in ("destination", "endpoint") if key in body} == about
    assert body["count"] == 1
    assert body["description"].endswith(".")
    assert all(set(field) == {"name", "value"} for field in body["fields"])


def test_how_bad_it_is_is_one_word():
    severities = {said(kind)["severity"] for kind in AlertKind if kind is not AlertKind.QUIET}
    assert severities == {"failure", "warning", "success"}
    assert json.loads(check_body("ops", NOW_MS))["severity"] == "info"


def test_how_the_last_one_failed_is_said():
    body = said(AlertKind.DELIVERY_FAILED, pending=3, failure=FAILURE)
    assert body["title"] == "3 deliveries to crm failed for good"
    assert body["description"].startswith("The last one: http_error 500, no.")
    assert said(AlertKind.DELIVERY_FAILED)["description"].startswith(
        "The last one: its attempts are not kept any more."
    )


def test_a_lane_that_is_held_says_why_and_how_often():
    because = LaneTotals(held_because="paused: moving")
    body = said(AlertKind.LANE_HELD, pending=3, totals=because)
    assert "paused: moving" in body["description"]
    assert body["description"].endswith("It was held 3 times since the last alert.")


def test_a_count_that_met_its_bound_says_so():
    body = said(AlertKind.BACKLOG, waiting=Waiting(100_000, NOW_MS))
    assert body["title"] == "100,000 deliveries or more wait for crm"
    assert said(AlertKind.BACKLOG, waiting=Waiting(1, NOW_MS))["title"] == (
        "1 delivery waits for crm"
    )


def test_since_is_when_it_began():
    assert said(AlertKind.LANE_HELD)["since"] == "2026-11-18T11:06:39.000Z"
    assert said(AlertKind.QUIET, "my-slug")["since"] == "2026-11-18T09:06:40.000Z"


def test_what_no_utf8_can_spell_is_replaced():
    because = LaneTotals(held_because="paused: \ud800")
    assert said(AlertKind.LANE_HELD, totals=because)["fields"][1]["value"] == "paused: ?"


def test_a_test_alert_says_that_it_is_one():
    event = alert_event("id", "test", check_body("ops", NOW_MS), NOW_MS)
    body = json.loads(event.body)
    assert (event.event_type, body["kind"]) == ("dispatchd.alert.test", "test")
    assert "destination" not in body


@pytest.mark.parametrize("rate", ["10/s", "10/m", "600/m", "5/h"])
def test_a_rate_is_spelled_as_in_the_config(rate):
    assert spell_rate(read_rate(rate)) == rate
