"""How long others wait: GET /healthz every 5 ms on a connection of its own, in its own process."""

import multiprocessing
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Self

from machine import RefusedError
from servers import LOAD_CORE

EVERY_S = 0.005
TIMEOUT_S = 60.0
EAGER = -10  # niceness, where we may: it must not wait for the load that shares its core


@dataclass(frozen=True, slots=True)
class Seen:
    """What probes met from `begin` to `end`."""

    probes: int
    worst_ms: float


class Prober:
    """A context manager; `begin` and `end` enclose what others may have to wait for."""

    def __init__(self, port: int) -> None:
        self._here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_probe, args=(there, port), daemon=True)
        self._process.start()
        there.close()
        self._here.recv()  # connected

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._here.send("stop")
        self._process.join(5)
        self._process.kill()

    def begin(self) -> None:
        self._here.send("begin")
        self._answer()

    def end(self) -> Seen:
        self._here.send("end")
        probes, worst_s = self._answer()
        return Seen(probes, worst_s * 1000)

    def _answer(self) -> tuple[int, float]:
        try:
            answer: tuple[int, float] = self._here.recv()
        except EOFError:
            raise RefusedError("the prober was hung up on, or not answered for a minute") from None
        return answer


def _probe(pipe: Connection, port: int) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    with suppress(PermissionError):
        os.nice(EAGER)
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pipe.send("connected")
        probes, worst = 0, 0.0
        due = time.monotonic()
        while True:
            while pipe.poll():
                word = pipe.recv()
                if word == "stop":
                    return
                pipe.send((probes, worst))
                probes, worst = 0, 0.0
            sent = time.monotonic()
            peer.sendall(request)
            if not peer.recv(65536):  # answers are far smaller than a segment
                return
            now = time.monotonic()
            probes += 1
            worst = max(worst, now - sent)
            due = max(due + EVERY_S, now)
            time.sleep(due - now)
