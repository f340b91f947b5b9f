"""The daemon: whether it runs, and what systemd says of its unit."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from dispatchd.doctor.finding import Finding, act, note, ok
from dispatchd.doctor.patient import Patient
from dispatchd.doctor.systemctl import show

UNIT: Final = "dispatchd.service"
_SERVICE: Final = re.compile(r"/([A-Za-z0-9:_.\\@-]+\.service)(?:/|$)", re.MULTILINE)


def look(patient: Patient) -> Iterator[Finding]:
    """Say whether a daemon has this database, and judge its unit where it has one."""
    if patient.runs:
        who = f"process {patient.pid}" if patient.pid else "a process that cannot be told"
        yield ok("daemon", f"runs: {who} has the database", figures={"pid": patient.pid})
    else:
        yield note("daemon", "does not run", "start it: `systemctl start dispatchd`, or by hand")
    cgroup = patient.proc("cgroup")
    unit = unit_of(cgroup) if cgroup is not None else None
    if patient.runs and unit is None:
        return  # started by hand, or in a container
    told = show(unit or UNIT)
    if told is not None and told.get("LoadState") == "loaded":
        yield from judge(unit or UNIT, told)


def unit_of(cgroup: str) -> str | None:
    """Return the service that a process belongs to, by its /proc/PID/cgroup."""
    found = _SERVICE.findall(cgroup)
    # A user's own services run beneath user@1000.service.
    return next((name for name in reversed(found) if not name.startswith("user@")), None)


def judge(unit: str, told: Mapping[str, str]) -> Iterator[Finding]:
    """Judge what `systemctl show` tells of a unit."""
    state = f"{unit} is {told.get('ActiveState', '?')} ({told.get('SubState', '?')})"
    restarts = told.get("NRestarts", "0")
    if told.get("ActiveState") == "failed" or told.get("Result", "success") != "success":
        yield act(
            "unit",
            f"{state}: {told.get('Result', '?')}",
            f"`journalctl -u {unit} -n 50` says why; then `systemctl reset-failed {unit}`",
        )
    elif told.get("SubState") == "auto-restart":
        yield act("unit", f"{state}: it ends and is started again", f"`journalctl -u {unit} -n 50`")
    elif restarts not in ("0", ""):
        yield note(
            "unit",
            f"{state}; systemd has restarted it {restarts} times since it was started",
            f"`journalctl -u {unit}` says why",
            figures={"restarts": int(restarts)},
        )
    else:
        yield ok("unit", state)
    if told.get("NeedDaemonReload") == "yes":
        yield act(
            "unit", f"{unit} has changed on disk since systemd read it", "systemctl daemon-reload"
        )
    if told.get("UnitFileState") == "disabled":
        yield note("unit", f"{unit} does not start with the machine", f"systemctl enable {unit}")
