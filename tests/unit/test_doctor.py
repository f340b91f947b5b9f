"""What the doctor makes of what it is told: clocks, units, disks, certificates."""

import time
from pathlib import Path

import pytest

from dispatchd.doctor import Finding, Verdict, clocks, daemon, disk
from dispatchd.doctor.certificates import Certificate, first_to_end, from_der, judge
from dispatchd.doctor.permissions import referred

NOW_MS = 1_795_000_000_000
DAY_S = 86_400
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kept_ms", "runs", "verdict"),
    [
        (None, False, Verdict.OK),
        (0, True, Verdict.OK),  # it has just been made
        (NOW_MS, True, Verdict.OK),
        (NOW_MS - 3600_000, False, Verdict.OK),  # it was down for an hour
        (NOW_MS - 3600_000, True, Verdict.ACT),
        (NOW_MS + 3600_000, False, Verdict.ACT),
        (NOW_MS + 3600_000, True, Verdict.ACT),
        (NOW_MS + 100, True, Verdict.OK),  # read a moment before
    ],
)
def test_the_clock(kept_ms: int | None, runs: bool, verdict: Verdict) -> None:
    found = clocks.judge(NOW_MS, kept_ms, runs=runs)
    assert found.verdict is verdict
    assert "2026-11-18 11:06:40.000 UTC" in found.said
    if verdict is Verdict.ACT:
        assert abs(int(found.figures["skew_ms"] or 0)) == 3600_000


def test_whether_the_clock_is_kept_right_can_be_asked() -> None:
    assert clocks.synchronised() in (True, False, None)


GOOD = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
}


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({}, Verdict.OK, "is active (running)"),
        ({"NRestarts": "3"}, Verdict.NOTE, "restarted it 3 times"),
        ({"ActiveState": "failed", "Result": "watchdog"}, Verdict.ACT, "watchdog"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, Verdict.ACT, "started again"),
        ({"NeedDaemonReload": "yes"}, Verdict.ACT, "changed on disk"),
        ({"UnitFileState": "disabled"}, Verdict.NOTE, "does not start with the machine"),
    ],
)
def test_the_unit(change: dict[str, str], verdict: Verdict, said: str) -> None:
    found = list(daemon.judge("dispatchd.service", GOOD | change))
    assert found[-1].verdict is verdict
    assert said in found[-1].said


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/dispatchd.service\n", "dispatchd.service"),
        ("0::/system.slice/system-hooks.slice/hooks@eu.service\n", "hooks@eu.service"),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/dispatchd.service\n",
            "dispatchd.service",
        ),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n", None),
        ("0::/user.slice/user-0.slice/session-1.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_which_unit_a_process_belongs_to(cgroup: str, unit: str | None) -> None:
    assert daemon.unit_of(cgroup) == unit


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /var rw - xfs /dev/sdb1 rw
31 30 0:26 / /var/lib/my\\040data rw - nfs4 server:/export rw
32 22 0:27 / /run rw,nosuid - tmpfs tmpfs rw
33 22 0:28 / /varnish rw - btrfs /dev/sdc rw
34 32 0:29 / /run rw - ramfs ramfs rw
nonsense
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/srv", "ext4"),
        ("/var", "xfs"),
        ("/var/lib/dispatchd", "xfs"),
        ("/var/lib/my data/here", "nfs4"),
        ("/varnish/x", "btrfs"),
        ("/run/x", "ramfs"),
    ],
)
def test_which_file_system_it_is_on(tmp_path: Path, directory: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert disk.file_system(Path(directory), mounts) == kind


def test_a_machine_without_mountinfo_is_not_judged(tmp_path: Path) -> None:
    assert disk.file_system(Path("/"), tmp_path / "none") is None


@pytest.mark.parametrize(
    ("times_ms", "verdict"),
    [
        ([0.5] * 100, Verdict.OK),
        ([8.0] * 100, Verdict.OK),
        ([30.0] * 100, Verdict.ACT),
        ([0.5] * 95 + [900.0] * 5, Verdict.ACT),
        ([0.5] * 99 + [900.0], Verdict.ACT),
        ([0.001] * 100, Verdict.NOTE),
        ([3000.0] * 2, Verdict.ACT),
    ],
)
def test_how_long_an_fsync_may_take(times_ms: list[float], verdict: Verdict) -> None:
    found = disk.judge(times_ms)
    assert found.verdict is verdict
    assert found.figures["fsyncs"] == len(times_ms)


def test_an_fsync_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    times_ms = disk.measure(tmp_path, 5, 60.0)
    assert len(times_ms) == 5
    assert all(time_ms > 0 for time_ms in times_ms)
    assert list(tmp_path.iterdir()) == []
    assert len(disk.measure(tmp_path, 5, 0.0)) < 5


def ends_in(days: float, whose: str = "its certificate") -> Certificate:
    return Certificate(time.time() + days * DAY_S, whose)


@pytest.mark.parametrize(
    ("days", "verdict", "said"),
    [
        (60.5, Verdict.OK, "60 days from now"),
        (20.5, Verdict.NOTE, "20 days from now"),
        (13.5, Verdict.ACT, "13 days from now"),
        (1.5, Verdict.ACT, "a day from now"),
        (0.5, Verdict.ACT, "hours from now"),
        (-2.5, Verdict.ACT, "its certificate ended on"),
    ],
)
def test_days_left_on_a_certificate(days: float, verdict: Verdict, said: str) -> None:
    found = judge("crm", "https://x: TLSv1.3", [ends_in(days)])
    assert found.verdict is verdict
    assert said in found.said
    assert found.figures["certificate_days"] == int(days // 1)


def test_the_one_that_ends_first_counts() -> None:
    found = judge("crm", "x", [ends_in(90), ends_in(3, "our certificate (c.pem)"), ends_in(50)])
    assert found.verdict is Verdict.ACT
    assert "our certificate (c.pem) is good until" in found.said


def test_what_is_no_certificate_is_none(tmp_path: Path) -> None:
    assert from_der(b"junk", "x") is None
    (tmp_path / "x.pem").write_text("junk")
    assert first_to_end(str(tmp_path / "x.pem"), "x") is None
    assert first_to_end(str(tmp_path / "missing.pem"), "x") is None
    assert judge("crm", "connects", []) == Finding(
        "destination", Verdict.OK, "connects", None, "crm"
    )


def test_the_files_that_a_config_reads_secrets_from(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("a: ${file:/run/credentials/x}\nb: [${file:/etc/y}, '${NAME}']\n")
    assert referred(config) == [Path("/run/credentials/x"), Path("/etc/y")]
