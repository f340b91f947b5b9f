"""A daemon as a process, a destination in a thread, and hostile webhooks sent to it."""

import hashlib
import hmac
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from patience import HANG_S

SECRET = "a-secret-of-the-shop"
TOKEN = "an-admin-token-of-some-length"
# What each of these would do, were it not escaped, is to run, or to draw itself over the page.
SCRIPT = "<script>window.evil=1</script>"
IMAGE = "\"'><img src=x onerror=window.evil=2>"
CLOSING = "</code></pre></details></main><svg onload=window.evil=3>"
BIDI = "\u202egnp.exe"
LONG = "w" * 900
LONG_NAME = "warehouse-of-the-northern-region-" * 3  # of a destination, and of an endpoint
HOSTILE = (SCRIPT, IMAGE, CLOSING)


@dataclass
class Sink:
    """A destination that answers as it is told, and counts."""

    url: str = ""
    answer: tuple[int, bytes] = (200, b"ok")
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_until(self, met: Callable[[], bool]) -> None:
        with self.arrived:
            assert self.arrived.wait_for(met, timeout=HANG_S), self.received

    def serve(self) -> ThreadingHTTPServer:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with sink.arrived:
                    sink.received.append((dict(self.headers), body))
                    sink.arrived.notify_all()
                status, said = sink.answer
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                self.send_header("X-Said", IMAGE)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass
class Shop:
    """The daemon: where it takes webhooks, and where its pages are."""

    public: str
    admin: str
    sink: Sink
    config: Path
    hostile_id: str = ""  # of the event in which everything hostile stands

    def calm(self) -> None:
        """Have the destinations as they were at the start, and owed nothing that is due."""
        self.sink.answer = (200, b"ok")
        for lane in self.api("/destinations")["items"]:
            if lane["held"]:
                self.api(f"/destinations/{lane['destination']}/resume", "POST")
        for job in self.api("/jobs")["items"]:
            if job["ended"] is None:
                self.api(f"/jobs/{job['job']}/cancel", "POST")
        self.sink.received.clear()

    def send(
        self,
        body: Any = None,
        *,
        slug: str = "shop",
        event_type: str = "order.paid",
        secret: str = SECRET,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Send a webhook; return the status and the answer."""
        data = json.dumps(body if body is not None else {"type": event_type}).encode()
        proof = "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            f"{self.public}/hooks/{urllib.parse.quote(slug)}",
            data=data,
            headers={
                "Content-Type": "application/json",
                "X-Hub-Signature-256": proof,
                "X-Event-Type": event_type,
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=HANG_S) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def event(self, **kwargs: Any) -> str:
        """Send one that must be kept; return its id."""
        status, told = self.send(**kwargs)
        assert status == 202, told
        return str(told["event_id"])

    def api(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask the API, as a script would."""
        request = urllib.request.Request(
            f"{self.admin}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=HANG_S) as response:
            return json.load(response)

    def trouble(self) -> str:
        """Have a destination that is down, a paused one and a queue owe an event; return its id."""
        self.api(f"/destinations/{LONG_NAME}/pause", "POST", {"reason": "maintenance"})
        event_id = self.event(slug="trouble", event_type="order.of.everything")
        while self.api("/destinations/dead")["state"] != "held":  # one failure opens its breaker
            pass
        return event_id

    def hostile(self) -> str:
        """Have everything hostile happen that strangers can bring about; return an event's id."""
        self.sink.answer = (400, "".join([*HOSTILE, BIDI, LONG]).encode())
        event_id = self.event(
            body={
                "type": "hostile",
                SCRIPT: IMAGE,
                "closing": [CLOSING, BIDI, LONG],
                "n": 1.50,
                "deep": {"a": {"b": {"c": {"d": [1, 2, {"e": None}]}}}},
            },
            event_type=f"{SCRIPT}{IMAGE}",
            headers={"X-Evil": f"{IMAGE}{SCRIPT}", "X-Long": LONG, "User-Agent": CLOSING},
        )
        self.event(event_type=LONG)
        self.trouble()
        chosen = {"event_type": f"{IMAGE}*", "filter": f"body.type = '{SCRIPT}'"}
        self.api("/jobs", "POST", chosen)
        assert self.send(slug=f"{SCRIPT}{IMAGE}")[0] == 404
        assert self.send(secret="wrong", headers={"X-Evil": f"{IMAGE}{CLOSING}"})[0] == 401
        self.sink.wait_until(lambda: len(self.sink.received) >= 2)
        self.api("/destinations/crm/pause", "POST", {"reason": "".join(HOSTILE)[:200]})
        return event_id
