"""When there is something to tell: windows, totals that grow, conditions that begin and end."""

from dataclasses import replace

import pytest
from alerts import EVERY_MS, SPEC, a_spec
from nouns import NOW_MS

from dispatchd.alert.alerting import subjects
from dispatchd.alert.rules import (
    Condition,
    Seen,
    Sight,
    Total,
    due,
    first_note,
    noted,
    seen,
    taken_up,
    told,
)
from dispatchd.alert_kinds import AlertKind
from dispatchd.store.alerts import AlertNote, LaneTotals, Waiting

NOTE = AlertNote("ops", AlertKind.DELIVERY_FAILED, "crm")
EMPTY = Sight({}, {}, None, {}, {}, 0)
BEGUN = Condition(begun=True, ended=False)
BETWEEN = Condition(begun=False, ended=False)
ENDED = Condition(begun=False, ended=True)


def a_note(kind: AlertKind, subject: str = "crm", **changes) -> AlertNote:
    return replace(NOTE, kind=kind, subject=subject, **changes)


def totals(**changes) -> Sight:
    return replace(EMPTY, totals={"crm": LaneTotals(**changes)})


def is_due(note: AlertNote, what: Seen, after_ms: int = 0) -> bool:
    return due(note, what, EVERY_MS, NOW_MS + after_ms)


def test_the_first_is_told_at_once_and_the_next_after_the_window():
    note = noted(NOTE, Total(3), NOW_MS)
    assert (note.pending, note.since_ms, is_due(note, Total(3))) == (3, NOW_MS, True)
    note = told(note, "e1", NOW_MS)
    assert (note.pending, note.since_ms, note.alerts, note.event_id) == (0, None, 1, "e1")
    note = noted(noted(note, Total(5), NOW_MS + 1), Total(9), NOW_MS + 2)
    assert (note.pending, note.since_ms) == (6, NOW_MS + 1)
    assert not is_due(note, Total(9), EVERY_MS - 1)
    assert is_due(note, Total(9), EVERY_MS)


def test_nothing_new_is_never_told():
    note = told(noted(NOTE, Total(3), NOW_MS), "e1", NOW_MS)
    assert not is_due(noted(note, Total(3), NOW_MS + 2 * EVERY_MS), Total(3), 2 * EVERY_MS)


def test_a_clock_set_back_does_not_lengthen_a_window_and_a_slew_does_not_end_it():
    note = noted(told(NOTE, "e1", NOW_MS), Total(1), NOW_MS)
    assert not is_due(note, Total(1), -1000)
    assert is_due(note, Total(1), -3_600_000)


def test_a_total_that_shrank_is_another_databases_and_tells_nothing():
    note = noted(replace(NOTE, mark=7), Total(2), NOW_MS)
    assert (note.mark, note.pending) == (2, 0)
    assert noted(note, Total(3), NOW_MS).pending == 1


def test_a_condition_is_told_once_while_it_lasts_and_again_when_it_is_back():
    note = noted(noted(NOTE, BEGUN, NOW_MS), BEGUN, NOW_MS + 5)
    assert (note.active, note.pending, note.since_ms) == (True, 1, NOW_MS)
    note = told(note, "e1", NOW_MS)
    for what in (BEGUN, BETWEEN, BEGUN):
        note = noted(note, what, NOW_MS + EVERY_MS)
        assert not is_due(note, what, 2 * EVERY_MS)
    note = noted(noted(note, ENDED, NOW_MS), BEGUN, NOW_MS)
    assert is_due(note, BEGUN, EVERY_MS)


def test_a_condition_that_ended_within_the_window_is_told_with_the_next():
    note = told(noted(NOTE, BEGUN, NOW_MS), "e1", NOW_MS)
    for _ in range(3):
        note = noted(noted(note, ENDED, NOW_MS + 1), BEGUN, NOW_MS + 2)
    note = noted(note, ENDED, NOW_MS + 3)
    assert not is_due(note, ENDED, EVERY_MS)
    note = noted(note, BEGUN, NOW_MS + EVERY_MS)
    assert note.pending == 4
    assert is_due(note, BEGUN, EVERY_MS)


@pytest.mark.parametrize(
    ("deliveries", "age_ms", "expected"),
    [
        (10, 0, BEGUN),
        (9, 0, BETWEEN),
        (5, 0, ENDED),
        (1, 600_000, BEGUN),
        (1, 599_999, BETWEEN),
        (1, 300_000, ENDED),
        (6, 300_000, BETWEEN),
    ],
)
def test_a_backlog_begins_at_a_bound_and_ends_at_half_of_both(deliveries, age_ms, expected):
    sight = replace(EMPTY, waiting={"crm": Waiting(deliveries, NOW_MS - age_ms)})
    assert seen(SPEC, a_note(AlertKind.BACKLOG), sight, NOW_MS) == expected


def test_what_was_not_looked_at_says_nothing():
    assert seen(SPEC, a_note(AlertKind.BACKLOG), EMPTY, NOW_MS) is None
    assert seen(SPEC, a_note(AlertKind.DISK_LOW, ""), EMPTY, NOW_MS) is None


@pytest.mark.parametrize(("free", "expected"), [(999, BEGUN), (1000, BETWEEN), (1250, ENDED)])
def test_a_disk_is_low_until_a_quarter_more_is_free(free, expected):
    sight = replace(EMPTY, free_bytes=free)
    assert seen(SPEC, a_note(AlertKind.DISK_LOW, ""), sight, NOW_MS) == expected


def test_quiet_is_counted_from_what_was_heard_last():
    note = a_note(AlertKind.QUIET, "my-slug", mark=NOW_MS)
    hour_ms = SPEC.quiet_ms["my-slug"]
    assert seen(SPEC, note, EMPTY, NOW_MS + hour_ms - 1) == replace(ENDED, mark=NOW_MS)
    assert seen(SPEC, note, EMPTY, NOW_MS + hour_ms) == replace(BEGUN, mark=NOW_MS)
    sight = replace(EMPTY, heard={"my-slug": NOW_MS + 9})
    assert seen(SPEC, note, sight, NOW_MS + hour_ms) == replace(ENDED, mark=NOW_MS + 9)


def test_a_recovery_is_told_once_the_lane_is_open():
    note = a_note(AlertKind.LANE_RECOVERED)
    held = seen(SPEC, note, totals(opened=1, held_because="paused"), NOW_MS)
    assert held == Total(1, ready=False)
    note = noted(note, held, NOW_MS)
    assert not is_due(note, held)
    opened = seen(SPEC, note, totals(opened=2), NOW_MS)
    note = noted(note, opened, NOW_MS)
    assert (note.pending, is_due(note, opened)) == (2, True)


def test_failing_alerts_are_told_once_until_something_gets_through():
    note = a_note(AlertKind.ALERT_FAILED)

    def look(now_ms: int, **changes) -> Seen:
        nonlocal note
        what = seen(SPEC, note, totals(**changes), now_ms)
        assert what is not None
        note = noted(note, what, now_ms)
        return what

    assert is_due(note, look(NOW_MS)) is False
    assert is_due(note, look(NOW_MS, failed_alerts=1))
    note = told(note, "e1", NOW_MS)
    for failed in (2, 5):
        look(NOW_MS, failed_alerts=failed, last_success_ms=NOW_MS - 1)
        assert not is_due(note, BEGUN, 2 * EVERY_MS)
    look(NOW_MS + 9, failed_alerts=5, last_success_ms=NOW_MS + 5)
    assert not note.active
    assert not is_due(note, look(NOW_MS + 9, failed_alerts=5), 2 * EVERY_MS)
    assert is_due(note, look(NOW_MS + 9, failed_alerts=6), 2 * EVERY_MS)


def test_alerts_that_fail_again_within_the_window_are_told_at_its_end():
    note = told(a_note(AlertKind.ALERT_FAILED, mark=1, active=True), "e1", NOW_MS)

    def look(after_ms: int, failed: int, success_after_ms: int) -> Seen:
        nonlocal note
        sight = totals(failed_alerts=failed, last_success_ms=NOW_MS + success_after_ms)
        what = seen(SPEC, note, sight, NOW_MS + after_ms)
        assert what is not None
        note = noted(note, what, NOW_MS + after_ms)
        return what

    look(10, 1, 5)
    look(20, 2, 5)  # it fails anew,
    look(30, 2, 25)  # gets through,
    look(40, 3, 25)  # and fails for as long as one looks
    assert note.active
    assert is_due(note, look(EVERY_MS, 3, 25), EVERY_MS)


def test_an_alert_that_failed_after_another_got_through_is_not_forgotten():
    note = told(a_note(AlertKind.ALERT_FAILED, mark=1, active=True), "e1", NOW_MS)
    for _ in range(2):  # both since the last look: it tells no order, so the next one has it
        sight = totals(failed_alerts=2, last_success_ms=NOW_MS + 5)
        what = seen(SPEC, note, sight, NOW_MS + EVERY_MS)
        assert what is not None
        note = noted(note, what, NOW_MS + EVERY_MS)
    assert note.active
    assert is_due(note, what, EVERY_MS)


def test_an_endpoint_heard_before_the_clock_was_set_back_falls_silent_all_the_same():
    day_ms = 24 * 3_600_000
    note = a_note(AlertKind.QUIET, "my-slug", mark=NOW_MS + day_ms)
    hour_ms = SPEC.quiet_ms["my-slug"]
    for heard in ({}, {"my-slug": NOW_MS + day_ms}):
        one = note
        for now_ms in (NOW_MS, NOW_MS + hour_ms // 2):
            what = seen(SPEC, one, replace(EMPTY, heard=heard), now_ms)
            assert what is not None
            one = noted(one, what, now_ms)
            assert not one.active
        what = seen(SPEC, one, replace(EMPTY, heard=heard), NOW_MS + hour_ms)
        assert what == replace(BEGUN, mark=NOW_MS)


def test_what_came_before_an_alert_was_asked_for_is_not_told():
    so_far = {"crm": LaneTotals(failed=5, failed_alerts=2, held=3, opened=3)}
    for kind in AlertKind:
        subject = "my-slug" if kind is AlertKind.QUIET else "crm"
        note = first_note("ops", kind, subject, so_far, NOW_MS)
        what = seen(SPEC, note, replace(EMPTY, totals=so_far), NOW_MS)
        assert what is None or noted(note, what, NOW_MS).pending == 0, kind


@pytest.mark.parametrize("held", [0, 3])
def test_but_a_lane_that_is_held_now_is(held):
    so_far = {"crm": LaneTotals(held=held, held_because="paused")}
    note = first_note("ops", AlertKind.LANE_HELD, "crm", so_far, NOW_MS)
    what = seen(SPEC, note, replace(EMPTY, totals=so_far), NOW_MS)
    assert noted(note, what, NOW_MS).pending == 1


def test_what_the_process_counts_begins_anew_with_it_and_what_is_pending_stays():
    note = taken_up(a_note(AlertKind.SOURCE_ERRORS, mark=40, pending=2, since_ms=NOW_MS))
    assert noted(note, Total(1), NOW_MS).pending == 3
    assert taken_up(replace(NOTE, mark=40)).mark == 40


def test_an_alert_is_never_about_the_way_it_comes_by():
    loop = a_spec(destinations=frozenset({"ops", "audit"}), slugs=frozenset({"loop"}))
    other = a_spec(to="pager", destinations=frozenset({"pager"}))
    lanes, slugs = ["crm", "ops", "audit", "pager"], ["my-slug", "loop"]
    about = set(subjects(loop, [loop, other], lanes, slugs))
    assert {name for _, name in about} == {"crm", "pager", "my-slug", ""}
    assert (AlertKind.SOURCE_ERRORS, "loop") not in about
    assert {name for kind, name in about if kind is AlertKind.ALERT_FAILED} == {"pager"}
    assert {kind for kind, _ in about} == set(AlertKind)
