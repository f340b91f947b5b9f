"""The config: that it can be used, and what of it may not be meant."""

from collections.abc import Iterator

from dispatchd.doctor.finding import Finding, note, ok
from dispatchd.doctor.patient import Patient
from dispatchd.spelling import plural


def look(patient: Patient) -> Iterator[Finding]:
    """Say what there is, and each warning of `dispatchd check`."""
    config = patient.config
    endpoints = plural(len(config.endpoints), "endpoint")
    destinations = plural(len(config.destinations), "destination")
    yield ok("config", f"{patient.source} is good: {endpoints}, {destinations}")
    for warning in config.warnings():
        yield note("config", warning)
