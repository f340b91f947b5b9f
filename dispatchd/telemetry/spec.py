"""What the config says of traces, as plain data."""

from collections.abc import Mapping
from dataclasses import field

from dispatchd.frozen import frozen
from dispatchd.redact import Redactor


@frozen
class TelemetrySpec:
    """Where traces are posted to (None: where the environment says) and with which headers.

    Of the traces that begin here the share `sample` is recorded. `redactor` blacks out what must
    not be told of a failure.
    """

    traces_url: str | None
    headers: Mapping[str, str] = field(repr=False)
    sample: float
    redactor: Redactor = field(repr=False)
