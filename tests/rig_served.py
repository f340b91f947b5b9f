"""What a tester from outside is handed: a port to be told of, a daemon that serves the API."""

import random
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass

from patience import HANG_S

TOKEN = "a-token-for-schemathesis"
# Below the ports that the system hands out by itself, to other tests' connections among others.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """Return a port that nobody has, for a daemon that must be told one before it listens."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


@dataclass
class Served:
    """A daemon that serves the API, and the id of an event in it."""

    url: str
    event_id: str


def post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=HANG_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
