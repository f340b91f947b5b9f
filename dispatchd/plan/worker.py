"""Read the config that is named by the one argument, and write the plan, pickled, to stdout.

A process of its own for a daemon that runs already: it has threads, so it cannot fork.
"""

import pickle
import sys

from dispatchd.plan.reading import read_config

if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(read_config(sys.argv[1])))
