"""What whoever started us did to signals: it is ours, and not for the programs that we start."""

import signal
from typing import Final

# Python ignores the first two itself, and undoes that where it starts a program. A process in the
# background that handled the other two would be told of a terminal again and again.
_LEFT: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTIN, signal.SIGTTOU)


def take_over() -> None:
    """Block no signal, and ignore none in a way that a program which we start would inherit.

    A handler that does nothing ends where a program begins. Nor is SIGCHLD ignored then, or
    the system would throw every exit code away. For the main thread, before it starts anything.
    https://pubs.opengroup.org/onlinepubs/9799919799/functions/exec.html
    """
    for number in signal.valid_signals():
        if number not in _LEFT and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


def _nothing(_number: int, _frame: object) -> None:
    pass
