"""How soon a program that was just started takes a webhook."""

import http.client
import socket
import time
from contextlib import closing, suppress

from load import requests
from machine import RefusedError
from servers import START_S, Server


def first_accepted(server: Server, provider: str) -> str:
    """Post one event until it is answered 202; return its id."""
    request, rest = requests(server.port, provider)[0]
    if rest:
        request = b"%s%d%s" % (request, time.time_ns(), rest)
    while time.monotonic() < server.started + START_S:
        with (
            suppress(OSError),
            closing(socket.create_connection(("127.0.0.1", server.port))) as peer,
        ):
            peer.sendall(request)
            reply = http.client.HTTPResponse(peer)
            reply.begin()
            body = reply.read().decode()
            if reply.status == 202:
                return body.split('"')[3]
        time.sleep(0.002)
    raise RefusedError(f"no 202 within {START_S:g} s of the start")
