"""Ports for those that must be told one before they listen."""

import random
import socket

# Below those that the system hands out by itself, to other tests' connections among others.
FROM, BELOW = 10_000, 32_000


def free_port() -> int:
    """Return a port that nobody has."""
    while True:
        port = random.SystemRandom().randrange(FROM, BELOW)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
