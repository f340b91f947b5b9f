"""What a tester of the API from outside is handed."""

import urllib.error
import urllib.request
from dataclasses import dataclass

from patience import HANG_S

TOKEN = "a-token-for-schemathesis"


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
