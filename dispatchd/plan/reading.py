"""Reading a config in a process of its own, while this one makes ready to serve.

What reads a config (a YAML parser, a validator with a model of every key) is needed for a moment
and would stay for the daemon's life: a fifth of its memory, and a third of its start. So a child
reads, and sends the Plan through a pipe. It is a fork: half of what it needs is imported here
already, and no thread has been started that it could miss.
"""

import os
import pickle
import signal
import sys
import traceback
from typing import NoReturn, Self

from dispatchd.errors import DispatchdError
from dispatchd.plan.plan import Plan


class ConfigRefusedError(DispatchdError):
    """The child found no usable config; the message is what it says, for people."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PlanReader:
    """Starts reading at once; `plan` waits for what was read. A context manager."""

    def __init__(self, config_path: str | None) -> None:
        """Fork. Only where this process has no other thread."""
        try:
            here, there = os.pipe()
            self._pid = os.fork()
        except OSError as error:
            raise DispatchdError(f"cannot start a process to read the config: {error}") from error
        if self._pid == 0:
            _be_the_child(config_path, there)
        os.close(there)
        self._pipe = os.fdopen(here, "rb")
        self._ended = False

    def plan(self) -> Plan:
        """Return the plan. Raises ConfigRefusedError where the config cannot be used."""
        sent = self._pipe.read()
        code = self._wait()
        try:
            read = pickle.loads(sent)  # noqa: S301 - it comes from our own child, over its pipe
        except (EOFError, pickle.UnpicklingError):
            raise DispatchdError(f"reading the config ended with exit code {code}") from None
        if isinstance(read, Plan):
            return read
        raise ConfigRefusedError(*read)

    def _wait(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        self._ended = True
        return os.waitstatus_to_exitcode(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the child, should it still read."""
        self._pipe.close()
        if not self._ended:
            os.kill(self._pid, signal.SIGKILL)
            self._wait()


def _be_the_child(config_path: str | None, there: int) -> NoReturn:
    """Read, send what was read, and end without what this process would do at its own end."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while it starts: no traceback
        with os.fdopen(there, "wb") as pipe:
            pickle.dump(read_config(config_path), pipe)
        code = 0
    except BaseException:  # noqa: BLE001 - as an interpreter does with what nobody caught
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def read_config(config_path: str | None) -> Plan | tuple[str, int]:
    """Return the plan, or what is wrong and the exit code for it. For a child alone."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"  # one would see every secret
    from dispatchd.config import find_config, load  # noqa: PLC0415 - for the child alone
    from dispatchd.plan.compiling import compile_plan  # noqa: PLC0415 - likewise

    try:
        path = find_config(config_path)
        return compile_plan(load(path), str(path.absolute()))
    except DispatchdError as error:
        return str(error), error.exit_code
