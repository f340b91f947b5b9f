"""`alerts` in the config: what may be asked for, and that none travels through what it reports."""

import pytest
from configs import assert_one_problem, problems

from dispatchd.alert_kinds import AlertKind
from dispatchd.config import parse
from dispatchd.config.way import Way, way_to
from dispatchd.limits import Rate
from dispatchd.model import Listen
from dispatchd.plan.compiling import compile_plan

TWO = """\
endpoints:
  a: {auth: none, destinations: [crm]}
destinations:
  crm: {url: 'http://h/'}
  ops: {url: 'http://o/'}
alerts:
"""


def alert(keys: str) -> str:
    return TWO + f"  - {keys}\n"


def test_the_defaults():
    (spec,) = compile_plan(parse(alert("{to: ops}"))).alerts
    assert spec.kinds == frozenset(AlertKind) - {AlertKind.QUIET}
    assert (spec.backlog_deliveries, spec.backlog_age_ms) == (1000, 900_000)
    assert (spec.refused, spec.free_bytes, spec.every_ms) == (Rate(1 / 6, 10), 2**30, 900_000)
    assert (spec.destinations, spec.slugs, spec.quiet_ms) == ({"ops"}, set(), {})


def test_everything_written_out():
    text = alert(
        "{to: ops, on: [backlog, source_errors, disk_low, quiet, delivery_failed],"
        " backlog: {deliveries: 5, age: 1m}, source_errors: {rate: 3/h}, disk_low: {free: 5GiB},"
        " quiet: {a: 24h}, every: 1h}"
    )
    (spec,) = compile_plan(parse(text)).alerts
    assert spec.kinds == {
        AlertKind.BACKLOG,
        AlertKind.SOURCE_ERRORS,
        AlertKind.DISK_LOW,
        AlertKind.QUIET,
        AlertKind.DELIVERY_FAILED,
        AlertKind.ALERT_FAILED,
    }
    assert (spec.backlog_deliveries, spec.backlog_age_ms) == (5, 60_000)
    assert (spec.refused, spec.free_bytes) == (Rate(3 / 3600, 3), 5 * 2**30)
    assert (spec.quiet_ms, spec.every_ms) == ({"a": 86_400_000}, 3_600_000)


def test_quiet_is_told_where_it_is_set():
    (spec,) = compile_plan(parse(alert("{to: ops, quiet: {a: 1h}}"))).alerts
    assert spec.kinds == frozenset(AlertKind)


def test_without_alerts_nothing_is_asked_for():
    assert compile_plan(parse(TWO)).alerts == ()


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("{to: opps}", '7: alerts[0].to: unknown destination "opps"; did you mean "ops"?'),
        ("{on: [backlog]}", "7: alerts[0].to: is missing"),
        ("{to: ops, on: []}", "7: alerts[0].on: names nothing; leave it out"),
        ("{to: ops, on: [held]}", '7: alerts[0].on[0]: must be "delivery_failed", "lane_held"'),
        ("{to: ops, on: [alert_failed]}", "7: alerts[0].on[0]: must be"),
        ("{to: ops, on: [quiet]}", "7: alerts[0]: tells of quiet, and no `quiet` says how long"),
        (
            "{to: ops, on: [lane_held], disk_low: {free: 1GiB}}",
            "7: alerts[0]: sets disk_low, which is not in `on`; add it there, or remove it",
        ),
        (
            "{to: ops, quiet: {b: 1h}}",
            '7: alerts[0].quiet.b: unknown endpoint "b"; known: "a"',
        ),
        ("{to: ops, quiet: {a: 59s}}", "7: alerts[0].quiet: must be at least 1m each"),
        ("{to: ops, every: 10ms}", "7: alerts[0].every: must be at least 1s"),
        ("{to: ops, backlog: {age: 0s}}", "7: alerts[0].backlog.age: must be at least 1s"),
        (
            "{to: ops, backlog: {deliveries: 0}}",
            "7: alerts[0].backlog.deliveries: must be at least 1, not 0",
        ),
        (
            "{to: ops, source_errors: {rate: 10}}",
            "7: alerts[0].source_errors.rate: is not a rate; write 10/s, 600/m or 10000/h",
        ),
        (
            "{to: ops, disk_low: {free: 100}}",
            '7: alerts[0].disk_low.free: a size needs a unit; write "100B" for bytes',
        ),
        (
            "{to: ops, on: [lane_held]}\n  - {to: ops, on: [lane_held, disk_low]}",
            '8: alerts[1]: tells lane_held to "ops", as alerts[0] does; keep one of them',
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_line(keys, expected):
    assert_one_problem(alert(keys), expected)


ONE = """\
endpoints:
  a: {auth: none, destinations: [crm]}
destinations:
  crm: {url: 'http://h/'}
alerts:
  - {to: crm, on: [ON]}
"""


def test_a_destination_that_would_tell_of_itself_alone_is_refused():
    expected = (
        '6: alerts[0]: would travel through what it reports: "crm" leads to every destination'
        " there is; send it to one of its own, or leave lane_held out of `on`"
    )
    assert_one_problem(ONE.replace("ON", "lane_held, disk_low"), expected)
    assert parse(ONE.replace("ON", "disk_low, storage_fault, source_errors")).alerts


def test_so_is_one_that_leads_to_all_through_an_endpoint_of_our_own():
    text = TWO.replace("http://o/", "http://127.0.0.1:8080/hooks/a")
    (found,) = problems(text + "  - {to: ops, on: [backlog]}\n")
    assert "would travel through what it reports" in found
    (found,) = problems(text + "  - {to: ops, on: [quiet], quiet: {a: 1h}}\n")
    assert "alerts[0].quiet.a: would travel through what it reports" in found


def test_what_an_alert_comes_by_is_left_out_of_what_it_tells():
    text = TWO.replace("http://o/", "http://localhost:8080/hooks/a") + "  - {to: ops}\n"
    text = text.replace("  ops:", "  audit: {url: 'http://x/'}\n  ops:")
    (spec,) = compile_plan(parse(text)).alerts
    assert (spec.destinations, spec.slugs) == ({"ops", "crm"}, {"a"})


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("http://127.0.0.1:8080/hooks/a", True),
        ("http://[::1]:8080/hooks/a?x=1", True),
        ("http://0.0.0.0:8080/hooks/a", True),  # which the kernel takes for this machine
        ("http://[::]:8080/hooks/a", True),
        ("http://[::ffff:127.0.0.1]:8080/hooks/a", True),
        ("http://localhost.:8080/hooks/a", True),
        ("http://hooks.localhost:8080/hooks/a", True),
        ("http://notlocalhost:8080/hooks/a", False),
        ("http://10.0.0.1:8080/hooks/a", False),
        ("http://127.0.0.1:8081/hooks/a", False),
        ("http://127.0.0.1:8080/healthz", False),
        ("http://127.0.0.1:8080/hooks/b", False),
        ("https://hooks.example.com/in/hooks/a", True),
        ("https://hooks.example.com/hooks/a", False),
        ("not a url", False),
    ],
)
def test_an_endpoint_of_our_own_is_known_by_the_listener_and_the_public_url(url, reached):
    found = way_to(
        "ops",
        {"ops": url},
        {"a": ["crm", "ops"]},
        Listen("127.0.0.1", 8080),
        "https://hooks.example.com/in",
    )
    both = Way(frozenset({"ops", "crm"}), frozenset({"a"}))
    assert found == (both if reached else Way(frozenset({"ops"}), frozenset()))


def test_a_socket_of_our_own_is_known_too():
    listen = Listen(path="/run/d.sock")
    url = "http+unix://%2Frun%2Fd.sock/hooks/a"
    assert way_to("ops", {"ops": url}, {"a": ["crm"]}, listen, None).slugs == {"a"}
    assert not way_to("ops", {"ops": url}, {"a": ["crm"]}, Listen("127.0.0.1", 80), None).slugs


def test_who_tells_of_the_destination_that_tells_is_advised():
    (warning,) = parse(alert("{to: ops, on: [disk_low]}")).warnings()
    assert warning.startswith("alerts: nobody is told when ops, which carries them, is in trouble")
    assert parse(alert("{to: ops}\n  - {to: crm, on: [lane_held]}")).warnings() == []
