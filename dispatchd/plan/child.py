"""The child that reads a config: `python -m dispatchd.plan.child [FILE]`, a pickle on stdout."""

import pickle
import signal
import sys

from dispatchd.config import find_config, load
from dispatchd.errors import DispatchdError
from dispatchd.plan.compiling import compile_plan
from dispatchd.plan.plan import Plan


def read(config_path: str | None) -> Plan | tuple[str, int]:
    """Return the plan, or what is wrong and the exit code for it."""
    try:
        return compile_plan(load(find_config(config_path)))
    except DispatchdError as error:
        return str(error), error.exit_code


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while it starts: no traceback
    sys.stdout.buffer.write(pickle.dumps(read(sys.argv[1] if len(sys.argv) > 1 else None)))
