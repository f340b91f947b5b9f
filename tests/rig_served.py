"""What a tester of the API from outside is handed."""

import socket
import urllib.error
import urllib.request
from dataclasses import dataclass

from patience import HANG_S

TOKEN = "a-token-for-schemathesis"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


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
