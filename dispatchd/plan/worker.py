"""Read the config that is named by the one argument; write our version and the pickled plan.

A process of its own for a daemon that runs already: it has threads, so it cannot fork. The code
may be newer than the daemon's, which must not take up what it does not know.
"""

import pickle
import signal
import sys

from dispatchd import __version__
from dispatchd.plan.reading import read_config

if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who asked was killed: there is nobody to tell
    read = pickle.dumps(read_config(sys.argv[1]))
    sys.stdout.buffer.write(f"{__version__}\n".encode() + read)
