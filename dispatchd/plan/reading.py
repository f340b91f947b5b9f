"""Reading a config in a process of its own, while this one makes ready to serve.

What reads a config (a YAML parser, a validator with a model of every key) is needed for a moment
and would stay for the daemon's life: a fifth of its memory, and a third of its start. So a child
reads, and sends the Plan through a pipe; a config that is read again later stalls nobody either.
"""

import pickle
import subprocess
import sys
from typing import Self

from dispatchd.errors import DispatchdError
from dispatchd.plan.plan import Plan

MODULE = "dispatchd.plan.child"


class ConfigRefusedError(DispatchdError):
    """The child found no usable config; the message is what it says, for people."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PlanReader:
    """Starts reading at once; `plan` waits for what was read. A context manager."""

    def __init__(self, config_path: str | None) -> None:
        given = [] if config_path is None else [config_path]
        try:
            self._child = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", MODULE, *given], stdout=subprocess.PIPE
            )
        except OSError as error:
            raise DispatchdError(f"cannot start a process to read the config: {error}") from error

    def plan(self) -> Plan:
        """Return the plan. Raises ConfigRefusedError where the config cannot be used."""
        sent, _ = self._child.communicate()
        try:
            read = pickle.loads(sent)  # noqa: S301 - it comes from our own child, over its pipe
        except (EOFError, pickle.UnpicklingError):
            code = self._child.returncode
            raise DispatchdError(f"reading the config ended with exit code {code}") from None
        if isinstance(read, Plan):
            return read
        raise ConfigRefusedError(*read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the child, should it still read."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.communicate()
