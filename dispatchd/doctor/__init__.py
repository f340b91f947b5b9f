"""`dispatchd doctor`: a row for each thing that is looked at, a module for each row."""

from collections.abc import Callable, Iterator
from typing import Final

from dispatchd.doctor import (
    clocks,
    configured,
    daemon,
    database,
    destinations,
    disk,
    open_files,
    permissions,
    ports,
    space,
)
from dispatchd.doctor.finding import Finding, Verdict, doctor_fields
from dispatchd.doctor.patient import Patient

Check = Callable[[Patient], Iterator[Finding]]

# In the order in which they are told: what is here, then what is out there.
CHECKS: Final[tuple[Check, ...]] = (
    configured.look,
    permissions.look,
    database.look,
    space.look,
    disk.look,
    clocks.look,
    daemon.look,
    ports.look,
    open_files.look,
    destinations.look,
)


def examine(patient: Patient) -> Iterator[Finding]:
    """Look at everything, and tell each finding as it is made."""
    for check in CHECKS:
        yield from check(patient)


__all__ = ["Finding", "Patient", "Verdict", "doctor_fields", "examine"]
